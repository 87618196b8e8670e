"""Reports: their questions, pages, files, schedules, and each report."""
