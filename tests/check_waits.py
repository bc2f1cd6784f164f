#!/usr/bin/env python3
"""usage: check_waits.py [DIRECTORY]

The table of docs/cancellation.md and the public headers agree:
- each function whose comment says "Parks:" (and not "never") has a row, and each header that says so;
- each row names functions that its header declares;
- the column "nodiscard" is what the header declares, `yes` or `no`; or `type`, for a result whose type is
  [[nodiscard]] and is not written in the declaration.

A row:  | `latch::wait` | latch.hpp | nothing | void | no |
A call is written `class::name` or `name`, with the namespace inside of hilo before it (`io::read`), and
`(interruptible)` after it for the form that takes that tag. One row may have several, with commas.
"""

import dataclasses
import pathlib
import re
import sys


@dataclasses.dataclass
class Function:
    call: str
    nodiscard: bool
    parks: bool
    line: int


SCOPE = re.compile(
    r"^(?:template.*> )?(?:class|struct)\s+(?:\[\[\w+\]\]\s+)?(?:HILO_API\s+)?(?:\[\[\w+\]\]\s+)?"
    r"(\w+)[^;]*$"
)
SKIPPED = re.compile(r"^\s*(template\b|requires\b|using\b|friend\b|static_assert|return\b|if\b|for\b|#|[})\]:,&|])")
MARKED = re.compile(r"(?:class|struct) \[\[nodiscard\]\] (\w+)")


def arguments(text, start):
    """What is between the parenthesis at `start` and the one that closes it."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return text[start + 1 : at]
    return text[start + 1 :]


def functions(path, marked):
    """The functions that a header declares, and whether it says anywhere that some park."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found, space, scope, public = [], [], None, True
    comment, parks, open_comment, discards = "", False, False, False
    says = False
    for number, line in enumerate(lines):
        stripped = line.strip()
        if stripped.startswith("//"):
            comment = comment + " " + stripped[2:] if open_comment else stripped[2:]
            open_comment = True
            told = re.search(r"Parks:\s+(\w+)", comment)
            parks = told is not None and told.group(1) != "never"
            says = says or parks
            continue
        open_comment = False
        if not stripped:
            parks = discards = False
            continue
        if re.match(r"^namespace .*}", line):
            continue
        if match := re.match(r"^namespace ([\w:]*) ?{", line):
            space.append(match.group(1))
        elif line.startswith("}  // namespace") or (
            line == "}" and re.match(r"^(class|struct) \w+;$", lines[number - 1])
        ):
            space and space.pop()
        elif match := SCOPE.match(line):
            scope, public, parks = match.group(1), True, False
        elif line.startswith("};"):
            scope, public, parks = None, True, False
        elif re.match(r"^ (public|private|protected):", line):
            public, parks = "public" in line, False
        if stripped == "[[nodiscard]]":
            discards = True
            continue
        indent = "  " if scope else ""
        if not public or SKIPPED.match(line) or not re.match(rf"^{indent}\S", line):
            continue
        head = re.match(r"^[^(=;{]*?([~\w]+)\(", re.sub(r"\[\[.*?\]\]|decltype\(\w+\)", "", line))
        names = "::".join(part for one in space for part in one.split("::") if part != "hilo")
        if head is None or "detail" in names or head.group(1).isupper() or re.search(r"explicit|= delete", line):
            continue
        name = head.group(1)
        text = " ".join(lines[number : number + 6])
        taken = arguments(text, text.index(name + "(") + len(name))
        call = "::".join(part for part in (names, scope, name) if part)
        if re.search(r"\binterruptible_t\b", taken):
            call += "(interruptible)"
        given = head.group(0)
        known = any(re.search(rf"\b{one}\b", given.rsplit(name, 1)[0]) for one in marked)
        found.append(Function(call, discards or "[[nodiscard]]" in line or known, parks, number + 1))
        discards = False
    return found, says


def rows(page):
    """The table's rows: calls, header, nodiscard, line."""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        calls = re.findall(r"`([^`]+)`", cells[0])
        if line.startswith("|") and len(cells) == 5 and calls:
            yield calls, cells[1], cells[4], number


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    public = root / "include" / "hilo"
    headers = sorted(p for p in public.rglob("*.hpp") if not {"detail", "kernel"} & set(p.parts))
    marked = {name for p in headers for name in MARKED.findall(p.read_text(encoding="utf-8"))}
    page = root / "docs" / "cancellation.md"
    table = list(rows(page))
    named, failed, passed = {}, [], 0
    for calls, header, nodiscard, number in table:
        for call in calls:
            named.setdefault(header, {})[call] = (nodiscard, number)
    for path in headers:
        name = path.relative_to(public).as_posix()
        declared, says = functions(path, marked)
        wanted = named.pop(name, {})
        if says and not wanted:
            failed.append(f"{path}: says that calls park; docs/cancellation.md has no row with {name}")
        for one in declared:
            if one.parks and one.call not in wanted:
                failed.append(
                    f"{path}:{one.line}: `{one.call}` parks: add a row with it and {name} to the table "
                    "in docs/cancellation.md (call, header, ended early by, returns then, nodiscard)"
                )
        for call, (nodiscard, number) in wanted.items():
            forms = [one for one in declared if one.call == call]
            if not forms:
                failed.append(f"{page}:{number}: {name} declares no public `{call}`")
            for one in forms:
                if nodiscard not in ("yes" if one.nodiscard else "no", "type"):
                    failed.append(
                        f"{page}:{number}: `{call}` is nodiscard: {nodiscard}, but {path}:{one.line} "
                        f"declares it {'with' if one.nodiscard else 'without'} [[nodiscard]]"
                    )
            passed += 1
    failed += [f"{page}: there is no header {header}" for header in named]
    print("\n".join(failed), end="\n" if failed else "")
    print(f"hilo-tests: {passed} passed, {len(failed)} failed, 0 skipped")
    return bool(failed) or not passed


if __name__ == "__main__":
    sys.exit(main())
