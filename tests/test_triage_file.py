"""The file of states is rewritten around what people wrote in it, and never over what they saved."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from triaged import LIKE_ONE, ONE, OTHER, PATTERN, entry

from fuzz.atomic import replace_atomic
from fuzz.triage import file as triage_file
from fuzz.triage.entries import STATES, Entry, TriageError, read_entries
from fuzz.triage.file import HEADER, read_file, rewritten, update

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOMENT = datetime(2026, 11, 26, 20, 44, 15, tzinfo=UTC)
BY_HAND = f"""\
# What we live with.
   # (ask Jo)

[[entry]]   # the first one
cause   =  '{ONE}'  # since v8
state = "new"# no blank
note = \"\"\"
[[entry]]
two lines\"\"\"
owner = {{ name = "Jo", since = [1,
  2] }}   # ours
fixed = 2026-01-01T00:00:00Z   ## on a branch

  # about the next one

[[entry]]
note = "state first"
state = "known"
cause = "{OTHER}"
[entry.more]  # a table of ours
x = 1
"""


def said(data: bytes) -> tuple[Entry, ...]:
    return read_entries(data, "f")


def test_a_new_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "triage.toml"
    made = Entry(ONE, kind="divergence", first_seen=MOMENT, first_execution=7, witness="findings/x/w", size=3)
    assert update(path, lambda _: [made])
    assert path.read_text() == HEADER + (
        f'\n[[entry]]\ncause = "{ONE}"\nstate = "new"\nnote = ""\nkind = "divergence"\n'
        'first_seen = 2026-11-26T20:44:15Z\nfirst_execution = 7\nwitness = "findings/x/w"\nsize = 3\n'
    )
    assert read_file(path)[1] == (made,)
    assert not update(path, lambda before: before)
    assert [one.name for one in tmp_path.iterdir()] == ["triage.toml"]


def test_nothing_to_say_makes_no_file(tmp_path: Path) -> None:
    assert not update(tmp_path / "triage.toml", lambda _: [])
    assert not [*tmp_path.iterdir()]


def test_what_a_person_wrote_stays_to_the_last_blank() -> None:
    before = said(BY_HAND.encode())
    after = (
        replace(before[0], state="fixed", fixed=MOMENT, size=4, kind="divergence"),
        replace(before[1], state="back again", back=MOMENT),
        Entry(LIKE_ONE),
    )
    text = rewritten(BY_HAND.encode(), before, after, "f").decode()
    assert text == (
        BY_HAND.replace('state = "new"# no blank', 'state = "fixed"# no blank')
        .replace("fixed = 2026-01-01T00:00:00Z   #", "fixed = 2026-11-26T20:44:15Z   #")
        .replace("branch\n", 'branch\nkind = "divergence"\nsize = 4\n')
        .replace('state = "known"', 'state = "back again"')
        .replace(f'"{OTHER}"\n', f'"{OTHER}"\nback = 2026-11-26T20:44:15Z\n\n')
        + f'\n[[entry]]\ncause = "{LIKE_ONE}"\nstate = "new"\nnote = ""\n'
    )
    assert said(text.encode()) == after


def test_a_comment_outlives_the_value_beside_it() -> None:
    before = said(BY_HAND.encode())
    text = rewritten(BY_HAND.encode(), before, (replace(before[0], fixed=None), before[1]), "f").decode()
    assert text == BY_HAND.replace("fixed = 2026-01-01T00:00:00Z   ## on a branch", "## on a branch")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(entry(ONE, "new").rstrip().encode(), id="no-last-line-end"),
        pytest.param(entry(ONE, "new").replace("\n", "\r\n").encode(), id="two-bytes-a-line-end"),
        pytest.param(entry(ONE, "new").encode() + b"# the end", id="a-comment-at-the-end"),
        pytest.param(b"# nothing yet", id="a-comment-alone"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\n\n", id="blank"),
    ],
)
def test_entries_are_added_behind_whatever_there_is(data: bytes) -> None:
    before = said(data)
    after = (*(replace(one, state="known") for one in before), Entry(OTHER))
    written = rewritten(data, before, after, "f")
    assert said(written) == after
    assert written.startswith(data.rstrip().replace(b'"new"', b'"known"'))
    assert (b"\r" in data) == (b"\r" in written)
    assert not re.search(rb"\r\n", data) or not re.search(rb"(?<!\r)\n", written)


COMMENTS = st.text(alphabet="abc #[]=\"'.", max_size=8).map(lambda text: f"# {text}")
CAUSES = [f"{design}/{rest}" for design in ("a", "b", "*") for rest in ("o/r/c/d", "o/r/c/e")]


@st.composite
def written_by_hand(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A file as people write them, and the comments in it."""
    lines, comments = [], []

    def comment(often: bool) -> str:
        if not (often and draw(st.booleans())):
            return ""
        comments.append(draw(COMMENTS))
        return comments[-1]

    for cause in draw(st.lists(st.sampled_from(CAUSES), unique=True, max_size=4)):
        lines += [comment(often=True), f"[[entry]] {comment(often=True)}"]
        keys = [f'cause = "{cause}"', f'state = "{draw(st.sampled_from(STATES))}"']
        keys += draw(
            st.lists(
                st.sampled_from(['note = "n"', "size = 3", "mine = [ 1,2 ]", "fixed = 2026-01-01T00:00:00Z"]),
                unique=True,
            )
        )
        for key in draw(st.permutations(keys)):
            lines += [f"{key} {comment(often=True)}", *([""] if draw(st.booleans()) else []), comment(often=True)]
    return "\n".join([*lines, comment(often=True)]), comments


CHANGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "state": st.sampled_from(STATES),
            "size": st.none() | st.integers(0, 9),
            "fixed": st.none() | st.just(MOMENT),
            "witness": st.sampled_from(["", 'a "b"', "\\"]),
        },
    ),
    min_size=4,
    max_size=4,
)


@settings(max_examples=50)
@given(written_by_hand(), CHANGES, st.booleans())
def test_every_comment_survives_every_change(
    made: tuple[str, list[str]], changes: Sequence[dict[str, object]], added: bool
) -> None:
    text, comments = made
    before = said(text.encode())
    after = tuple(replace(one, **change) for one, change in zip(before, changes, strict=False))  # type: ignore[arg-type]
    if added:
        after = (*after, Entry("new/o/r/c/d"))
    written = rewritten(text.encode(), before, after, "f").decode()
    assert said(written.encode()) == after
    for comment in comments:
        assert comment.strip() in written
    # Nothing changed, nothing touched.
    assert rewritten(text.encode(), before, before, "f") == text.encode()


def test_a_form_that_cannot_be_rewritten_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "triage.toml"
    path.write_text(f'entry = [{{cause = "{ONE}", state = "known"}}]\n')
    for change in (lambda before: [replace(before[0], state="fixed")], lambda before: [*before, Entry(OTHER)]):
        with pytest.raises(TriageError, match="left as it is"):
            update(path, change)
    assert "known" in path.read_text()
    path.write_text(f"{ONE}\n{PATTERN}\n")
    with pytest.raises(TriageError, match="found a plain list of causes, which is kept by hand"):
        update(path, lambda before: before)


def test_a_bad_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "triage.toml"
    path.write_text(entry(ONE, "knwon"))
    with pytest.raises(TriageError, match=r"triage\.toml:3: state"):
        update(path, lambda _: [Entry(OTHER)])
    assert path.read_text() == entry(ONE, "knwon")


def test_who_saved_in_between_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "triage.toml"
    path.write_text(entry(ONE, "new"))
    saved = entry(ONE, "known", 'note = "saved meanwhile"')

    def slowly(where: Path, data: bytes, expected: bytes | None) -> bool:
        if not calls:
            calls.append(1)
            path.write_text(saved)
        return replace_atomic(where, data, expected)

    calls: list[int] = []
    monkeypatch.setattr(triage_file, "replace_atomic", slowly)
    assert update(path, lambda before: [*before, Entry(OTHER)])
    assert [one.note for one in read_file(path)[1]] == ["saved meanwhile", ""]


def test_a_file_that_changes_all_the_time_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "triage.toml"
    path.write_text(entry(ONE, "new"))
    monkeypatch.setattr(triage_file, "replace_atomic", lambda *_: False)
    with pytest.raises(TriageError, match="changes all the time; left as it is"):
        update(path, lambda before: [*before, Entry(OTHER)])


def test_two_at_a_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "triage.toml"
    causes = [f"d{number}/o/r/c/d" for number in range(12)]

    def add(cause: str) -> None:
        update(path, lambda before: [*before, Entry(cause)])

    threads = [threading.Thread(target=add, args=(cause,)) for cause in causes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.cause for one in read_file(path)[1]) == sorted(causes)


def test_a_link_stays_one(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept.toml", tmp_path / "triage.toml"
    kept.write_text(entry(ONE, "new"))
    link.symlink_to(kept)
    update(link, lambda before: [replace(before[0], state="known")])
    assert link.is_symlink()
    assert read_file(kept)[1][0].state == "known"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TriageError, match="No such file or directory"):
        update(tmp_path / "none" / "triage.toml", lambda _: [Entry(ONE)])
    (tmp_path / "triage.toml").mkdir()
    with pytest.raises(TriageError, match="Is a directory"):
        update(tmp_path / "triage.toml", lambda _: [Entry(ONE)])
