"""Makes the pages of the interface from the public headers: each declaration with its contract.

A page has the header's first comment, and for each commented declaration a heading, the declaration
without its body, and the comment. What is private, and namespace detail, is left out.
"""

import re

OPENS = {"{": "}", "(": ")", "[": "]"}


def tokens(text):
    """Comments, strings, preprocessor lines and single characters, with the blank lines kept."""
    pattern = re.compile(
        r'(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\')'
        r"|(?P<directive>^[ \t]*#(?:[^\n\\]|\\.|\\\n)*)|(?P<char>.)",
        re.S | re.M,
    )
    for match in pattern.finditer(text):
        yield match.lastgroup, match.group(0)


class Reader:
    def __init__(self, text):
        self.tokens = list(tokens(text))
        self.at = 0

    def skip_block(self):
        """Goes from an opening brace to behind its partner."""
        depth = 0
        while self.at < len(self.tokens):
            kind, token = self.tokens[self.at]
            self.at += 1
            if kind == "char":
                depth += {"{": 1, "}": -1}.get(token, 0)
                if depth == 0:
                    return

    def statements(self):
        """Yields (comment, after a blank line, declaration, what ends it) until the scope's end."""
        comment, head, depth, blank, lines = [], "", 0, True, 0
        while self.at < len(self.tokens):
            kind, token = self.tokens[self.at]
            self.at += 1
            if kind == "directive":
                comment, blank = [], True
            elif kind == "comment":
                if not head.strip():
                    # A comment behind a declaration, on its line, is about that one.
                    if blank or lines or comment:
                        comment.append(token)
                    lines = 0
                continue
            elif not head.strip() and token.isspace():
                if token == "\n":
                    lines += 1
                    if lines > 1:
                        blank, comment = True, []
                continue
            elif kind == "char" and depth == 0 and token in ";{}":
                if token == "}":
                    return
                yield comment, blank, head.strip(), token
                comment, head, blank, lines = [], "", False, 0
            elif kind == "char" and token == ":" and re.fullmatch(r"\s*(public|private|protected)", head):
                yield [], True, head.strip(), ":"
                head, comment, blank = "", [], True
            else:
                if kind == "char":
                    depth += 1 if token in "([" else -1 if token in ")]" else 0
                head += token


def plain(declaration):
    """A declaration as a reader wants it: without the members that a constructor starts."""
    text = declaration
    # A constructor's list of members is part of its body.
    depth = 0
    for at, char in enumerate(text):
        depth += 1 if char in "([{" else -1 if char in ")]}" else 0
        if char == ":" and depth == 0 and ")" in text[:at] and "::" not in (text[at : at + 2], text[at - 1 : at + 1]):
            text = text[:at]
            break
    return re.sub(r"\n\s*", "\n    ", text.strip())


def name_of(declaration):
    text = re.sub(r"\brequires\b[^;]*?(?=\n|$)", "", declaration)
    while re.match(r"\s*template\s*<", text):
        start = text.index("<")
        depth = 0
        for at in range(start, len(text)):
            depth += {"<": 1, ">": -1}.get(text[at], 0)
            if depth == 0:
                text = text[at + 1 :]
                break
    found = re.search(r"\b(?:class|struct|enum class|enum|concept|union)\s+(?:\[\[.*?\]\]\s*)?(\w+)", text)
    if found:
        return found[1]
    for found in re.finditer(r"(operator\s*[^\s(]+|operator\(\)|~?\b[a-z_]\w*)\s*\(", text):
        if found[1] not in ("decltype", "noexcept", "alignas", "sizeof", "requires", "void"):
            return found[1]
    found = re.search(r"(\w+)\s*(?:=|$|\{)", text)
    return found[1] if found else ""


def qualified(inside, head):
    return f"{inside}::{name_of(head)}" if inside else name_of(head)


def prose(comment):
    """A comment as Markdown: indented lines are code."""
    out, code = [], False
    for line in comment:
        text = re.sub(r"^//( ?)", "", line)
        indented = text.startswith("  ") and text.strip()
        if indented and not code:
            out += ["", "```cpp"]
        if code and not indented and text.strip():
            out += ["```", ""]
        code = bool(indented) or (code and not text.strip())
        parts = re.split(r"(`[^`]*`)", text)  # code is left as it is
        parts[::2] = [re.sub(r"([<>*_\[\]|$])", r"\\\1", part) for part in parts[::2]]
        out.append(text[2:] if code else "".join(parts))
    if code:
        out.append("```")
    return "\n".join(out)


def emit(reader, out, level, public=True, inside=""):
    """Writes what the scope at the reader declares."""
    group = []  # (comment, declarations) that belong together

    def flush():
        if group and group[0]:
            comment, declarations = group
            name = name_of(declarations[0])
            if name and not name.endswith("_"):
                heading = f"{inside}::{name}" if inside else name
                shown = ";\n".join(plain(each) for each in declarations) + ";"
                out.append(f"{'#' * level} `{heading}`\n\n```cpp\n{shown}\n```\n\n{prose(comment)}\n")
        group.clear()

    for comment, blank, head, end in reader.statements():
        if end == ":":
            flush()
            public = head == "public"
            continue
        if end == "{":
            reader.at -= 1
        scope = re.match(r"(?:inline )?namespace\s+([\w:]*)$|extern \"C\"$", head)
        if end == "{" and scope:
            flush()
            if (scope[1] or "").split("::")[-1] == "detail":
                reader.skip_block()
            else:
                reader.at += 1
                name = (scope[1] or "").removeprefix("hilo").removeprefix("::")
                emit(reader, out, level, public, name or inside)
            continue
        bare = re.sub(r"template\s*<[^{;]*?>\s*(?=class|struct|union)", "", head)
        kind = re.match(r"(class|struct|union)\b(?![^{]*\()", bare)
        if end == "{" and kind and "(" not in bare.replace("alignas(", ""):
            flush()
            if public and comment:
                start = reader.at
                reader.skip_block()
                body = reader.tokens[start : reader.at]
                if kind[1] == "struct" and "(" not in "".join(t for k, t in body if k == "char"):
                    text = "".join(token for _, token in body)
                    out.append(f"{'#' * level} `{qualified(inside, head)}`\n\n{prose(comment)}\n\n```cpp\n{plain(head)} {text};\n```\n")
                else:
                    out.append(f"{'#' * level} `{qualified(inside, head)}`\n\n```cpp\n{plain(head)};\n```\n\n{prose(comment)}\n")
                    reader.at = start + 1
                    emit(reader, out, level + 1, kind[1] != "class", qualified(inside, head))
            elif public:
                out.append(f"{'#' * level} `{qualified(inside, head)}`\n\n```cpp\n{plain(head)};\n```\n")
                reader.at += 1
                emit(reader, out, level + 1, kind[1] != "class", qualified(inside, head))
            else:
                reader.skip_block()
            continue
        if end == "{":
            start = reader.at
            reader.skip_block()
            if re.match(r"enum\b", head) or ("(" not in head and "operator" not in head):
                head += " " + "".join(token for _, token in reader.tokens[start : reader.at])
        if not public or re.match(r"(static_assert|friend|using\s+namespace)\b|$", head):
            continue
        if head in (";", ""):
            continue
        if comment:
            flush()
            group[:] = [comment, [head]]
        elif group and not blank:
            group[1].append(head)
        else:
            flush()
    flush()


def page(name, text):
    """The page of one header."""
    head = []
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        head.append(line)
    rest = re.sub(r"\bHILO_(?:C_)?(?:API|NOINLINE|HIDDEN)\b[ \t]*", "", text.split("#pragma once", 1)[-1])
    out = []
    emit(Reader(rest), out, 2)
    # Of overloads with comments of their own, each has a heading: their names must differ.
    seen = {}
    for number, part in enumerate(out):
        title, _, body = part.partition("\n")
        seen[title] = seen.get(title, 0) + 1
        if seen[title] > 1:
            out[number] = f"{title}, form {seen[title]}\n{body}"
    return f"# {name}\n\n```cpp\n#include <hilo/{name}>\n```\n\n{prose(head)}\n\n" + "\n".join(out)
