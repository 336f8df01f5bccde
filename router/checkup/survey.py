"""One configuration, looked over as of a day."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from router.catalog import Catalog
from router.checkup.abilities import surveyed, unable
from router.checkup.accounts import shared
from router.checkup.findings import Finding, Report, Severity, in_order
from router.checkup.reach import unreached
from router.checkup.retirement import retiring
from router.checkup.sheet import Sheet
from router.config.load import ConfigError, load


def survey(path: Path, environ: Mapping[str, str], catalog: Catalog, today: date) -> Report:
    """Everything to be said of a file: its mistakes, or its models and what to look at."""
    try:
        loaded = load(path, environ)
    except ConfigError as error:
        found = [Finding.of(mistake, Severity.ERROR) for mistake in error.mistakes]
        return Report(file=str(path), day=today, findings=tuple(found))
    sheet = Sheet.of(path, loaded, catalog)
    findings = [
        *(Finding.of(mistake, Severity.WARNING) for mistake in loaded.warnings),
        *retiring(sheet, today),
        *unable(sheet),
        *unreached(sheet),
        *shared(sheet),
    ]
    return Report(file=str(path), day=today, models=tuple(surveyed(sheet)), findings=in_order(findings))
