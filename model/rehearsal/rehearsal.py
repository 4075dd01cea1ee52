"""A design is led along the transcript of another's load: would it have given the same answers?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from model.rehearsal.seen import LoadSeen, RingsSeen
from model.rehearsal.transcript import (
    ANSWERED,
    CALLED,
    COMMITTED,
    CURRENT,
    DEATHS,
    DID,
    DIED,
    NOTHING,
    PASSED,
    VIEW,
    asks,
    death,
    silent,
)
from vmformat import Refusal

if TYPE_CHECKING:
    from model.designs import Design
    from model.rehearsal.transcript import Entry, Transcript


class Differs(BaseException):
    """The design answers otherwise, or looks at what no transcript has. Not for designs to catch."""


def leads(transcript: Transcript, design: Design) -> bool:
    """Whether `design`, a fresh object, would have been led to the outcome of this transcript."""
    if transcript.asks != asks(design):
        return False
    try:
        _Rehearsal(transcript.entries_for(type(design)), design).play()
    except Differs:
        return False
    return True


class _Rehearsal:
    """One design on its way."""

    def __init__(self, entries: list[Entry], design: Design) -> None:
        self._entries = entries
        self._at = 0
        self._design = design
        self._silent = silent(type(design))
        self._facts: Entry = ()
        self._lost = False
        self._seen = LoadSeen(self, {})
        self._spaces: list[int] = []  # whose views are being asked for, the latest last
        self._things: dict[int, Any] = {}

    def play(self) -> None:
        """To the end. Raises Differs."""
        entries, silent_ = self._entries, self._silent
        while self._at < len(entries):
            entry = entries[self._at]
            if entry[0] == PASSED and entry[1] in silent_:
                self._at += 1
            else:
                self._call(entry)

    def _call(self, entry: Entry) -> None:
        """The load calls a hook, at the present entry."""
        kind, hook = entry[0], entry[1]
        self._at += 1
        if kind == COMMITTED:  # it would have done the same
            return
        answer = NOTHING if hook in self._silent else self._answer(entry, hook)
        if kind == CALLED:
            self._expect(answer)
        elif answer != NOTHING:
            raise Differs

    def _answer(self, entry: Entry, hook: str) -> Entry:
        given = self._given(entry)
        self._facts = entry
        asked = hook == "flat_view"
        if asked:
            self._spaces.append(given[0].number)
        try:
            result = getattr(self._design, hook)(self._seen, *given)
            answer = self._returned(hook, result)
        except DEATHS as stop:
            answer = death(stop, hook, self._design)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - what a design makes of a stand-in is no finding: the load will tell
            raise Differs from None
        if asked:
            self._spaces.pop()
        if self._lost:
            raise Differs
        return answer

    def _returned(self, hook: str, result: object) -> Entry:
        if hook == "flat_view":
            if not isinstance(result, _View) or result is not self.view(self._spaces[-1]):
                raise Differs
            return CURRENT
        if result is None:
            return NOTHING
        if isinstance(result, Refusal):
            return (ANSWERED, result)
        raise Differs

    def _given(self, entry: Entry) -> tuple[Any, ...]:
        """The arguments of a hook, with what stands for the things that loads make."""
        noted: tuple[Any, ...] = entry[2]
        if not noted or not isinstance(noted[0], tuple):
            return noted
        number, text = noted[0]
        thing = self._things.get(number)
        if thing is None:
            thing = _Space(self, number, text) if entry[1] == "flat_view" else RingsSeen(self, number, text)
            self._things[number] = thing
        return (thing, *noted[1:])

    def _expect(self, answer: Entry) -> None:
        if self._entries[self._at] != answer:
            raise Differs
        self._at += 1

    def view(self, space: int) -> object:
        """The current view of a space: known of the one that is being asked for."""
        if not self._spaces or self._spaces[-1] != space:
            self.behind(space)
        number = self._facts[VIEW]
        if number not in self._things:
            self._things[number] = _View(self)
        return self._things[number]

    # What the stand-ins ask

    def facts(self) -> Entry:
        """An entry with what could be known then."""
        return self._facts

    def act(self, who: str | int, what: str, *arguments: object) -> Any:
        """What came of it when another design did so, after what the load said meanwhile."""
        if self._entries[self._at] != (DID, who, what, *arguments):
            self.behind(who)
        self._at += 1
        while (entry := self._entries[self._at])[0] in {PASSED, CALLED, COMMITTED}:
            self._call(entry)
        self._at += 1
        self._facts = entry
        if entry[0] == DIED:
            raise entry[1].with_traceback(None)
        return entry[1]

    def behind(self, who: object) -> NoReturn:
        """Nothing is there."""
        self._lost = True
        raise Differs


class _View:
    """A flat view that nobody may look into; the same object for the same view."""

    __slots__ = ("_rehearsal",)

    def __init__(self, rehearsal: _Rehearsal) -> None:
        self._rehearsal = rehearsal

    def __getattr__(self, name: str) -> NoReturn:
        self._rehearsal.behind(name)

    def __len__(self) -> int:  # noqa: PLE0303
        self._rehearsal.behind("len")

    def __iter__(self) -> NoReturn:
        self._rehearsal.behind("iter")

    def __getitem__(self, index: object) -> NoReturn:
        self._rehearsal.behind("item")

    def __eq__(self, other: object) -> NoReturn:
        self._rehearsal.behind("eq")

    def __hash__(self) -> int:  # noqa: PLE0309
        self._rehearsal.behind("hash")


class _Space:
    """An address space by its name and its current view."""

    __slots__ = ("_rehearsal", "name", "number")

    def __init__(self, rehearsal: _Rehearsal, number: int, name: str) -> None:
        self._rehearsal, self.number, self.name = rehearsal, number, name

    @property
    def current(self) -> object:
        """The view that is published."""
        return self._rehearsal.view(self.number)

    def __getattr__(self, name: str) -> NoReturn:
        self._rehearsal.behind(name)
