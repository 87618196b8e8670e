"""Where keys live and tokens are made."""
