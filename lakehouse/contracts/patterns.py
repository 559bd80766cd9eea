r"""Regular expressions in RE2's syntax, translated to Java's.

What belongs here: the form of a pattern with which Spark, whose regular expressions are Java's, finds what DuckDB,
whose are RE2's, finds. Not: where patterns are used (compile.py, expressions.py).

Both agree on most, and where they do not they say nothing: to Java a `$` stands before a last line end, too, a dot is
no carriage return, `\s` is a vertical tab, `[[:alpha:]]` is five letters and a colon, and `[a&&b]` is nothing at all.
"""

import re
from functools import cache

from lakehouse.errors import DeclarationError

_REPEAT = re.compile(r"\{\d+(,\d*)?\}")
_GROUP = re.compile(r"\((\?(:|P?<\w+>|i\)|i:|-i\)|-i:)?)?")
_PROPERTY = re.compile(r"([pP])(?:\{(\^?)(\w+)\}|(\w))")
_HEX = re.compile(r"x(?:[0-9A-Fa-f]{2}|\{[0-9A-Fa-f]+\})")
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")
_SPACE = r"\t\n\f\r "
_EDGE = r"(?:(?<=\w)(?!\w)|(?<!\w)(?=\w))"
_NO_EDGE = r"(?:(?<=\w)(?=\w)|(?<!\w)(?!\w))"
_OUTSIDE = {"s": f"[{_SPACE}]", "S": f"[^{_SPACE}]", "v": r"\x0B", "b": _EDGE, "B": _NO_EDGE}
_INSIDE = {"s": _SPACE, "S": f"[^{_SPACE}]", "v": r"\x0B"}
_AS_THEY_ARE = "dDwWAztnfra"
_POSIX_NAMES = {
    name: name.capitalize()
    for name in ("alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper")
} | {"ascii": "ASCII", "xdigit": "XDigit"}
_CATEGORY = 2
"""Names of general categories have one letter or two, longer ones are scripts."""


@cache
def in_java(pattern: str, where: str = "") -> str:
    """The pattern in Java's words. Raises DeclarationError for what it cannot be said in."""
    return _Reader(pattern, where).read()


class _Reader:
    def __init__(self, pattern: str, where: str) -> None:
        self.pattern, self.where, self.at = pattern, where, 0

    def read(self) -> str:
        found = []
        while self.at < len(self.pattern):
            found.append(self._one())
        return "".join(found)

    def _one(self) -> str:
        letter = self.pattern[self.at]
        if letter == "\\":
            return self._escaped(_OUTSIDE)
        if letter == "[":
            return self._choice()
        if letter == "(":
            return self._group()
        if letter == "{" and (repeat := self._taken(_REPEAT)):
            return repeat.group()
        self.at += 1
        return {".": "[^\\n]", "$": "\\z", "{": "\\{", "}": "\\}"}.get(letter, letter)

    def _escaped(self, words: dict[str, str]) -> str:
        self.at += 1
        letter = self.pattern[self.at : self.at + 1]
        if letter == "Q" and words is _OUTSIDE:
            quoted, _, rest = self.pattern[self.at + 1 :].partition("\\E")
            self.at = len(self.pattern) - len(rest)
            return re.escape(quoted)
        if found := self._taken(_PROPERTY):
            sign, turned, name, short = found.groups()
            name = name or short
            sign = sign.swapcase() if turned else sign
            return f"\\{sign}{{{name if len(name) <= _CATEGORY else f'Is{name}'}}}"
        if found := self._taken(_HEX):
            return f"\\{found.group()}"
        self.at += 1
        if letter in words:
            return words[letter]
        if letter in _AS_THEY_ARE or not letter.isalnum():
            return f"\\{letter}"
        raise self._unknown(f"\\{letter}")

    def _choice(self) -> str:
        self.at += 1
        begin = "["
        if self.pattern.startswith("^", self.at):
            begin, self.at = "[^", self.at + 1
        found: list[str] = []
        while self.at < len(self.pattern):
            letter = self.pattern[self.at]
            if letter == "]" and found:
                self.at += 1
                return f"{begin}{''.join(found)}]"
            if posix := self._taken(_POSIX):
                found.append(self._named(posix))
            elif letter == "\\":
                found.append(self._escaped(_INSIDE))
                if found[-1] == _INSIDE["S"] and begin == "[^":
                    raise self._unknown(r"[^\S]")
            else:
                self.at += 1
                found.append(f"\\{letter}" if letter in "[]&^" else letter)
        raise self._unknown("[")

    def _named(self, posix: re.Match[str]) -> str:
        turned, name = posix.groups()
        if name == "word":
            return "\\W" if turned else "\\w"
        if name not in _POSIX_NAMES:
            raise self._unknown(posix.group())
        return f"\\{'P' if turned else 'p'}{{{_POSIX_NAMES[name]}}}"

    def _group(self) -> str:
        found = self._taken(_GROUP)
        text = found.group() if found else "("
        if text == "(?":
            raise self._unknown(self.pattern[self.at - 2 : self.at + 2])
        if text.endswith(">"):  # what a group is called says nothing here, and Java knows fewer names
            return "("
        # The case of all letters, as in RE2, and not only of those of ASCII.
        return text.replace("i", "iu")

    def _taken(self, form: re.Pattern[str]) -> re.Match[str] | None:
        found = form.match(self.pattern, self.at)
        if found:
            self.at = found.end()
        return found

    def _unknown(self, word: str) -> DeclarationError:
        return DeclarationError(
            f"{word} in the regular expression {self.pattern!r} means different things in DuckDB and Spark.",
            where=self.where,
            nearest="[A-Z]{2}[0-9]+",
            fix="Use literals, character classes, groups, repetitions and the flag (?i).",
        )
