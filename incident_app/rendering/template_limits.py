"""What a template may not do, however it is written: work without end on a few facts, or grow a text by naming it."""

from __future__ import annotations

from jinja2 import TemplateSyntaxError, nodes

_NAMING = (nodes.Assign, nodes.AssignBlock, nodes.With, nodes.Macro, nodes.CallBlock)
_MADE_UP = (nodes.List, nodes.Tuple, nodes.Dict, nodes.Concat, nodes.Add)
PLAIN_BELOW = 2
"""From the third loop inside another on, only a fact itself is gone through, not a text taken out of one."""


def check_template(template: nodes.Template, *, deepest: int, name: str | None = None) -> None:
    """Refuse a template that gives names to texts (which doubles them) or nests loops deeper than `deepest`."""
    for found in template.find_all(_NAMING):
        raise TemplateSyntaxError("a template names no texts of its own (set, with, macro, call)", found.lineno, name)
    _check_loops(template, 1, deepest, name)


def _check_loops(node: nodes.Node, depth: int, deepest: int, name: str | None) -> None:
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.For):
            _check_loop(child, depth, deepest, name)
        _check_loops(child, depth + isinstance(child, nodes.For), deepest, name)


def _check_loop(loop: nodes.For, depth: int, deepest: int, name: str | None) -> None:
    if depth > deepest or loop.recursive:
        raise TemplateSyntaxError(f"more than {deepest} loops stand inside each other", loop.lineno, name)
    made_up = isinstance(loop.iter, (*_MADE_UP, nodes.Const)) or next(loop.iter.find_all(_MADE_UP), None) is not None
    if made_up or (depth > PLAIN_BELOW and not isinstance(loop.iter, nodes.Name)):
        raise TemplateSyntaxError("a loop goes through facts only", loop.lineno, name)
