"""The graph as text and as a picture: DOT for Graphviz, and an SVG of its own that needs nothing."""

from __future__ import annotations

from html import escape

from ..tensor import Tensor
from .graph import Leaf, Node

_WIDTH, _HEIGHT, _GAP, _LAYER = 116, 34, 18, 62


def nodes_of(*outputs: Tensor) -> list[Node]:
    """All nodes that the outputs depend on, in the order in which they were made."""
    seen, stack = set(), [t.edge()[0] for t in outputs if t.edge() is not None]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += [e[0] for e in node.edges if e is not None]
    return sorted(seen, key=lambda n: n.number)


def _label(node, names):
    if isinstance(node, Leaf):
        tensor = node.tensor()
        return names.get(id(tensor), "leaf"), str(tuple(node.outs[0][0]))
    return node.name, " ".join(str(tuple(shape)) for shape, _ in node.outs)


def _names(names):
    return {id(t): name for name, t in (names or {}).items()}


class Drawing:
    """A graph drawn: shows itself in a notebook; `svg` and `dot` are texts, `save(path)` writes either."""

    def __init__(self, svg: str, dot: str):
        self.svg, self.dot = svg, dot

    def _repr_svg_(self):
        return self.svg

    def __str__(self):
        return self.dot

    def save(self, path) -> None:
        """Write a file: .svg, or .dot (Graphviz)."""
        text = {"svg": self.svg, "dot": self.dot}.get(str(path).rpartition(".")[2])
        if text is None:
            raise ValueError(f"save: expected a path ending in .svg or .dot, got {path}")
        from ..io import write_atomically

        write_atomically(path, text.encode())


def draw(*outputs: Tensor, names: dict[str, Tensor] | None = None) -> Drawing:
    """Draw the graph that the outputs hang on; `names` labels leaves: draw(loss, names={'w': w}).

    A box is a recorded operation with the shape of its output, an oval a leaf; arrows show the way of the values.
    """
    nodes = nodes_of(*outputs)
    if not nodes:
        raise ValueError("draw: none of the outputs requires grad, so there is no graph")
    names = _names(names)
    return Drawing(_svg(nodes, names), _dot(nodes, names))


def _dot(nodes, names):
    lines = ["digraph {", "  rankdir=BT; node [fontname=Helvetica fontsize=11];"]
    for node in nodes:
        name, shape = _label(node, names)
        style = "shape=ellipse style=filled fillcolor=lightblue" if isinstance(node, Leaf) else "shape=box"
        name = name.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  n{node.number} [label="{name}\\n{shape}" {style}];')
    for node in nodes:
        lines += [f"  n{e[0].number} -> n{node.number};" for e in node.edges if e is not None]
    return "\n".join([*lines, "}"])


def _layers(nodes):
    """Rows of nodes: each above all that it is made from; within a row near what it hangs on."""
    depth, place = {}, {}
    for node in nodes:
        depth[node] = 1 + max((depth[e[0]] for e in node.edges if e is not None), default=-1)
    for node in reversed(nodes):  # a leaf stands just below its first use
        for e in node.edges:
            if e is not None and isinstance(e[0], Leaf):
                users = [depth[n] for n in nodes if any(x is not None and x[0] is e[0] for x in n.edges)]
                depth[e[0]] = min(users) - 1
    rows = [[n for n in nodes if depth[n] == d] for d in range(max(depth.values()) + 1)]
    rows = [row for row in rows if row]
    for row in reversed(rows):  # from the outputs down: sort by where the users stand
        users = {n: [place[m] for m in place if any(e is not None and e[0] is n for e in m.edges)] for n in row}
        row.sort(key=lambda n: (sum(users[n]) / len(users[n]) if users[n] else 0, n.number))
        for i, n in enumerate(row):
            place[n] = i - len(row) / 2
    return rows


def _arrow(x1, y1, x2, y2):
    """From the top of one box to the bottom of another, bowed around the boxes of rows in between."""
    y1, y2 = y1 - _HEIGHT / 2, y2 + _HEIGHT / 2
    if y1 - y2 < _LAYER:
        first, last = (x1, (y1 + y2) / 2), (x2, (y1 + y2) / 2)
    else:
        x1, x2 = x1 + _WIDTH / 3, x2 + _WIDTH / 3
        first, last = (x1 + 0.7 * _WIDTH, y1 - _GAP), (x2 + 0.7 * _WIDTH, y2 + 2 * _GAP)
    return (
        f'<path d="M{x1:.0f} {y1:.0f} C{first[0]:.0f} {first[1]:.0f} {last[0]:.0f} {last[1]:.0f} {x2:.0f} {y2:.0f}" '
        'fill="none" stroke="#666" marker-end="url(#tip)"/>'
    )


def _svg(nodes, names):
    rows = _layers(nodes)
    width = max(len(row) for row in rows) * (_WIDTH + _GAP) + _GAP + _WIDTH / 2  # arrows bow to the right
    height = len(rows) * _LAYER + _GAP
    at = {}
    for r, row in enumerate(rows):
        left = (width - len(row) * (_WIDTH + _GAP) + _GAP) / 2
        for i, node in enumerate(row):
            at[node] = left + i * (_WIDTH + _GAP) + _WIDTH / 2, height - _GAP - r * _LAYER - _HEIGHT / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#666"/></marker></defs>',
    ]
    for node in nodes:
        parts += [_arrow(*at[e[0]], *at[node]) for e in node.edges if e is not None]
    for node in nodes:
        x, y = at[node]
        name, shape = _label(node, names)
        leaf = isinstance(node, Leaf)
        parts.append(
            f'<rect x="{x - _WIDTH / 2:.0f}" y="{y - _HEIGHT / 2:.0f}" width="{_WIDTH}" height="{_HEIGHT}" '
            f'rx="{_HEIGHT / 2 if leaf else 4}" fill="{"#d6e8f7" if leaf else "white"}" stroke="#1f4e79"/>'
            f'<text x="{x:.0f}" y="{y - 2:.0f}" text-anchor="middle" font-size="12" fill="#111">{escape(name)}</text>'
            f'<text x="{x:.0f}" y="{y + 12:.0f}" text-anchor="middle" font-size="10" fill="#666">{escape(shape)}</text>'
        )
    return "".join([*parts, "</svg>"])
