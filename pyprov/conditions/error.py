"""What is wrong with a condition, and where."""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast


class ConditionError(SyntaxError):
    """A function cannot become a compiled condition.

    A SyntaxError, so that Python shows file, line and a caret under the place by itself.

    Attributes:
        problem: What is wrong.
        cure: What to write instead.
    """

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}; {cure}")
        self.problem = problem
        self.cure = cure

    def at(self, filename: str, node: ast.expr | ast.stmt, first_line: int, indent: int) -> None:
        """Say where it is, unless that was said.

        Args:
            filename: The source file.
            node: The place, of a tree parsed from the function's own dedented text.
            first_line: The line of the file in which that text begins.
            indent: What was taken off each of its lines.
        """
        if self.lineno is not None:
            return
        self.filename = filename
        self.lineno = first_line + node.lineno - 1
        self.offset = node.col_offset + indent + 1
        self.end_lineno = first_line + (node.end_lineno or node.lineno) - 1
        self.end_offset = (node.end_col_offset or node.col_offset) + indent + 1
        self.text = linecache.getline(filename, self.lineno)
