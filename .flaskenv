FLASK_APP=vmsapp:create_app
