"""Take source products into an archive: idempotent, atomic per commit, a bad file never stops the others."""

from probav.ingestion.report import Report
from probav.ingestion.take import ingest
from probav.ingestion.watching import watch

__all__ = ["Report", "ingest", "watch"]
