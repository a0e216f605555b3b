"""%probav and %%probav in a shell; the engine is imported with the first of them, not with the kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.magic import Magics, line_cell_magic, magics_class

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from probav_magics.session import Session

_LINE = re.compile(r"\s*%%?probav\s")
_ASKED = re.compile(r"(\s*)(\?{0,2})%%?probav\b[ \t]*(\w*)[^?\n]*(\?{0,2})\s*")


@magics_class
class ProbavMagics(Magics):
    """The %probav magics of one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self.used: Session | None = None

    def session(self) -> Session:
        """Return what the commands of this shell share."""
        if self.used is None:
            from probav_magics.session import Session

            self.used = Session(self._shell)
        return self.used

    @line_cell_magic
    def probav(self, line: str, cell: str | None = None) -> None:
        """Query the archive: %probav alone shows what there is and what to type next."""
        from probav_magics.dispatch import dispatch

        dispatch(line, cell, self.session())

    def complete(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return what Tab offers, and nothing else than that after %probav."""
        lines = _before(context)
        if not lines:
            return {"completions": []}
        from probav_magics.completion import complete

        words, begun = complete(self.session(), lines)
        completions = [
            SimpleCompletion(word, type="option" if word.startswith("-") else "value") for word in words
        ]
        return {"completions": completions, "suppress": bool(words), "matched_fragment": begun}

    def after_cell(self, *_: object) -> None:
        """Bring maps up to the variables the cell may have changed (IPython's `post_run_cell` event)."""
        if self.used is not None and self.used.maps:
            from probav_magics.commands.aoi import follow_variables

            follow_variables(self.used)


def _before(context: CompletionContext) -> list[str]:
    """Return the lines of a %probav up to the cursor: one, or those of a cell; else none."""
    above = context.full_text.split("\n")[: context.cursor_line]
    last = context.text_until_cursor
    filled = next((number for number, line in enumerate(above) if line.strip()), len(above))
    if above[filled:] and above[filled].lstrip().startswith("%%"):  # a cell of a magic, ours or another's
        is_ours = _LINE.match(above[filled] + " ")
        return [*above[filled:], last] if is_ours else []
    return [last] if _LINE.match(last) else []


def answer_questions(lines: list[str]) -> list[str]:
    """Make `%probav stats?` ask for the help of the command: IPython would look for a variable `stats`.

    One of IPython's input transformers.
    """
    if lines and lines[0].lstrip().startswith("%%") and len(lines) > 1:
        return lines  # another magic's text
    changed = []
    for number, line in enumerate(lines):
        asked = _ASKED.fullmatch(line)
        before = "".join(lines[:number])
        if asked and (asked[2] or asked[4]) and not any(before.count(mark) % 2 for mark in ('"""', "'''")):
            line = f"{asked[1]}%probav {asked[3]} --help\n"
        changed.append(line)
    return changed


def register(shell: InteractiveShell) -> None:
    """Add the magics, their help and completion, and the link between maps and variables to a shell."""
    magics = ProbavMagics(shell)
    shell.register_magics(magics)

    @context_matcher(identifier="probav")  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> SimpleMatcherResult:
        return magics.complete(context)

    shell.Completer.custom_matchers.append(matcher)
    shell.input_transformers_cleanup.append(answer_questions)
    shell.events.register("post_run_cell", magics.after_cell)
