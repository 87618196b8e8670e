"""Reports: a question, asked of the records in the asker's scope, and its answer."""

from vmsapp.services.reports.question import Before, By, Key, Question, Report, Row, Sums
from vmsapp.services.reports.sales import sales_report

__all__ = ["Before", "By", "Key", "Question", "Report", "Row", "Sums", "sales_report"]
