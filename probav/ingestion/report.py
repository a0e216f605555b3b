"""What an ingest did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field

from probav.readers import Rejected


@dataclass
class Report:
    """What an ingest did, in numbers of granules (a granule is one product, date and window).

    Attributes
    ----------
    archive : str
    taken : int
        Written, or with `dry_run` what would be.
    unchanged : int
        Already there, with the same content.
    superseded : int
        Left out, because a later version is there or among the sources.
    rejected : list of Rejected
        Files that can't be taken in, each with its reason.
    snapshots : list of str
        One a commit.
    notes : set of str
    dry_run : bool
    bytes : int
        Of the source files of what was taken in.
    verb : str
        "registered" where files were only referred to.
    """

    archive: str
    taken: int = 0
    unchanged: int = 0
    superseded: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    dry_run: bool = False
    bytes: int = 0
    verb: str = "taken in"

    def __str__(self) -> str:
        taken = f"would be {self.verb}" if self.dry_run else self.verb
        lines = [
            f"{self.archive}: {self.taken} {taken}, {self.unchanged} already there, "
            f"{self.superseded} older than what is there, {len(self.rejected)} rejected "
            f"({self.bytes / 1e6:.1f} MB)"
        ]
        lines += [f"  rejected {item.path}: {item.reason}" for item in self.rejected]
        lines += [f"  {note}" for note in sorted(self.notes)]
        return "\n".join(lines)
