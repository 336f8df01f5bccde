"""What a check has to say, as records: findings, and what each target of a model can do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from router.config.mistakes import Mistake


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # the configuration cannot be used
    WARNING = "warning"  # it can, but part of it does not do what it says, or soon will not
    HINT = "hint"  # worth knowing


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something found, where it stands, and what to do about it.

    `line` and `column` count from 1; 0 where it concerns the whole file. `write` is the line as it should be, where
    that is known. A mistake's remedy stands in its message.
    """

    severity: Severity
    file: str
    line: int
    column: int
    where: str
    message: str
    remedy: str = ""
    write: str = ""

    @classmethod
    def of(cls, mistake: Mistake, severity: Severity) -> "Finding":
        """What was found while the file was read."""
        return cls(
            severity=severity,
            file=mistake.file,
            line=mistake.line,
            column=mistake.column,
            where=mistake.where,
            message=mistake.message,
        )

    def __str__(self) -> str:
        said = f"{self.message}: {self.remedy}" if self.remedy else self.message
        told = str(Mistake(self.file, self.line, self.column, self.where, said))
        return told if self.severity is Severity.ERROR else f"{told} ({self.severity})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """A target, and what it can do. Nothing is known of a wildcard's: that depends on the model asked for."""

    target: str
    kind: str
    wildcard: bool = False
    operations: tuple[str, ...] = ()
    max_images: int = 0
    mask: bool = False
    transparent: bool = False
    max_n: int = 1
    stream: bool = False
    retires: date | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A model and its chain. `retires` and `successor` are those of its name."""

    name: str
    aliases: tuple[str, ...]
    chain: tuple[Ability, ...]
    retires: date | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found in a file, as of a day."""

    file: str
    day: date
    models: tuple[Surveyed, ...] = ()
    findings: tuple[Finding, ...] = ()

    def failed(self, *, strict: bool) -> bool:
        """Whether the file is refused: for its mistakes, where `strict` also for a warning."""
        grave = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
        return any(finding.severity in grave for finding in self.findings)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings as a reader meets them; what an anchor repeats is said once."""
    unique = {(each.file, each.line, each.column, each.message): each for each in reversed(list(findings))}
    return tuple(unique[key] for key in sorted(unique))


class Audience(StrEnum):
    """Whom a difference concerns."""

    CALLERS = "callers"
    OPS = "ops"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that differs between two configurations, in words."""

    audience: Audience
    words: str
