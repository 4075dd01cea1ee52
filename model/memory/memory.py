"""The memory core: transactions, address spaces, and the way back to the pristine state. Mutators are in `mutators`.

**Transactions** (memory.md 5). Mutators change the tree at once; the flat views follow when the outermost transaction
commits, and only if somebody marked an update pending. In between the tree and the views disagree, and whoever takes a
view then sees the past. This gap is what every design of this project moves about, so the words are exact:

- *depth*: transactions open, whoever opened them. Mutators open their own; at depth 0 they commit before they return.
- *pending*: `update_pending`, a flag that any mutator may set and only the outermost commit consumes. Which mutator
  sets it when is memory.md 2.2, kept to the letter, including the odd ones: a resized orphan rebuilds every view, and
  `set_address` of a root without container rebuilds none although it shifts one.
- *rebuild*: an outermost commit that found the flag. All views are made anew, then listeners hear begin, then each
  space in turn is told its difference and published, then the flag falls, then listeners hear commit. `rebuilds`
  counts these and nothing else.

Invariants: depth >= 0; depth 0 outside a commit means nothing pending (I11); no `current` changes while depth > 0 but
that of a new space (I12); as long as the flag stays down no rendering changed, `set_address` aside (I13).

**Remembering renderings**. QEMU renders each distinct root from scratch at every rebuild. Here a rendering is looked up
in the node of `changes` that stands for the tree as it is, or patched from an earlier one. Content is shared, identity
is not: each rebuild makes new FlatView objects. Nobody can tell the difference but by the clock. What a
whole rebuild comes to is kept in the same place (`publishing`), and so is what a series of mutations does (`series`).

**The way back**. After `checkpoint` each region that is about to be written to is noted in a journal as it is, once;
`rollback` writes that back. Lists in regions are replaced, never changed, so the old list is the old value. Cost: what
was changed, plus a few words per address space.

Model: ioeventfds and coalesced ranges are not kept. Their mutators set the pending flag as QEMU's do and an
ioeventfd-only commit is told apart, but no eventfd callback is made; a design that differs only in these callbacks is
not caught. The KVM coalesced-MMIO flush at `begin` is not modelled: it exists only under KVM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.memory import changes, listener, region, rendering
from model.memory.changes import Node
from model.memory.errors import MemoryAbort, TransactionError
from model.memory.ram import Ram
from model.memory.series import Repeating, Series
from model.memory.space import AddressSpace
from model.memory.spares import Spares
from model.memory.use import Use, blocked, current_view, dropped
from model.memory.view import EMPTY, FlatView
from model.memory.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.memory.changes import Mutation, Record
    from model.memory.listener import Listener
    from model.memory.region import Kind, Region, State
    from model.memory.use import Getter, Remapped

_LISTS = frozenset({"add", "del"})
"""Mutations of a list of children, which say nothing new about the container itself."""
NO_LOCK: Final = "memory_region_transaction_commit: Assertion `qemu_mutex_iothread_locked()' failed."
_MAX_NODES = 20_000
_MAX_CONTENTS = 4_000
"""What the trie may remember before it starts anew: some 20 MB each."""


class Memory(Repeating):
    """One machine's memory core. All fields may be read; only methods change them, but for the four that are calls.

    `depth`, `update_pending`, `ioeventfd_pending`: see the module's essay. `has_lock`: whether whoever works here now
    holds the big lock, which a commit asserts. `spaces`: in order of creation. `listeners`: of all spaces, in calling
    order. `views`: resolved root (or None) to view, as of the last rebuild. `rebuilds`: commits that rebuilt; `work`:
    what they cost QEMU.
    `epoch`: mutations so far; `unseen`: what those were that no rebuild has shown yet, each with its records, the last
    one number `epoch`. `getter`: gives every reader its flat view. `mmio`: what a read of bytes behind a
    handler gives: (region, offset, length) to bytes. `remap`: where an IOMMU region sends an access: (region, offset,
    whether it is a write). `store`: told of a write to a handler: (region, offset, bytes). `ram`: contents of RAM
    blocks. `heard`: if set, told of each region added to a container (True) or taken out of one (False).
    `before_commit`: if set, called before each commit that finds something pending.
    `remembers`: whether a rebuild may take from an earlier one what it comes to; not where a seam is replaced.
    `log`: what was done since it was last cleared, in order: mutations by their keys, regions made, rebuilds, and
    spaces and listeners that came and went.
    `asks_in_commit`: whether a rebuild's own reads of views pass through `getter`, as they do in QEMU; nobody can tell
    unless a getter does more than read.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.update_pending = False
        self.ioeventfd_pending = False
        self.has_lock = True
        self.spaces: list[AddressSpace] = []
        self.listeners: list[Listener] = []
        self.views: dict[Region | None, FlatView] = {None: EMPTY}
        self.rebuilds = 0
        self.work = Work()
        self.epoch = 0
        self.unseen: list[Mutation] = []
        self.getter: Getter = current_view
        self.mmio: Callable[[Region, int, int], bytes] = zeros
        self.remap: Callable[[Region, int, bool], Remapped | None] = blocked
        self.store: Callable[[Region, int, bytes], None] = dropped
        self.ram = Ram()
        self.heard: Callable[[bool, Region, Region], None] | None = None
        self.before_commit: Callable[[], None] | None = None
        self.asks_in_commit = False
        self.remembers = True
        self._ears = None
        self._spares = Spares()
        self._in_series = False
        self._node = Node(None, ())
        self._nodes = 0
        self._contents = 0
        self._watch: dict[Region | None, set[AddressSpace]] = {}
        self._watched: list[tuple[Region, AddressSpace]] = []
        self._stale: set[AddressSpace] = set()
        self._journal: dict[Region, State] | None = None
        self._pristine: _Pristine | None = None

    # Transactions

    def begin(self) -> None:
        """Seam: open a transaction, or one more level of it."""
        self.depth += 1

    def commit(self) -> None:
        """Seam: close one level; the outermost does the work.

        Raises TransactionError without a begin, MemoryAbort for a layout at which QEMU aborts.
        """
        if self.depth == 0:
            raise TransactionError(
                "memory_region_transaction_commit: Assertion `memory_region_transaction_depth' failed."
            )
        if not self.has_lock:
            raise TransactionError(NO_LOCK)
        if self.before_commit is not None and self.update_pending:
            self.before_commit()
        self.depth -= 1
        if self.depth == 0:
            self.do_commit()

    def do_commit(self) -> None:
        """The work of an outermost commit, at whatever depth: rebuild the views if an update is pending.

        Raises TransactionError without the lock, MemoryAbort for a layout at which QEMU aborts.
        """
        if not self.has_lock:
            raise TransactionError(NO_LOCK)
        if self.update_pending:
            self._rebuild()
        elif self.ioeventfd_pending:
            self.ioeventfd_pending = False

    def mark_pending(self, wanted: bool) -> None:
        """Seam: note that the views are out of date. Sticky until the outermost commit."""
        if wanted:
            self.update_pending = True

    def notify(self, who: Listener, event: str, *args: object) -> None:
        """Seam: make one callback, by name: begin, commit, region_add, region_del or region_nop."""
        getattr(who, event)(*args)

    _sound_notify = notify

    @classmethod
    def _notifies(cls) -> bool:
        return cls.notify is cls._sound_notify

    def _rebuild(self) -> None:
        if self._is_plain():
            self._publish()
        else:
            self._rebuild_in_full()

    def _rebuild_in_full(self) -> None:
        self.rebuilds += 1
        if self._stale:
            self._resolve()
        table: dict[Region | None, FlatView] = {None: EMPTY}
        spaces = tuple(self.spaces)
        for space in spaces:
            root = space.resolved
            if root is not None and root not in table:
                table[root] = self._content(root).copy(self.epoch)
        self.views = table
        self.unseen = []
        self.work.rendered(table.values())
        walked = 0
        for who in tuple(self.listeners):
            if who.hears_begin:
                self.work.callbacks += 1
                self.notify(who, "begin")
        for space in spaces:
            # A begin callback may have rebuilt meanwhile: then the newer table counts (5.4, re-entrancy).
            if self.asks_in_commit:
                self.getter(space, Use("address_space_set_flatview", 0, 0, rcu=False, commits=True))
            new = self._new_view(space)
            walked += len(new.starts)
            if new is not space.current:
                if space.listeners:
                    self._tell(space, new)
                space.current = new
        self.work.walked += walked
        self.update_pending = self.ioeventfd_pending = False
        for who in tuple(self.listeners):
            if who.hears_commit:
                self.work.callbacks += 1
                self.notify(who, "commit")

    def _new_view(self, space: AddressSpace) -> FlatView:
        """The view to publish: the table's, of what the root resolves to by now: callbacks may change the tree."""
        if self._stale:
            self._resolve()
        view = self.views.get(space.resolved)
        if view is None:
            raise MemoryAbort("address_space_set_flatview: Assertion `new_view' failed.")
        return view

    def _tell(self, space: AddressSpace, new: FlatView) -> None:
        listeners = [who for who in space.listeners if who.hears_ranges]
        if not listeners:
            return
        backwards = listeners[::-1]
        removed, added = listener.diff(space.current, new, any(who.hears_nop for who in listeners))
        self.work.callbacks += len(removed) * len(listeners)
        for piece in removed:
            for who in backwards:
                self.notify(who, "region_del", space, piece)
        for is_new, piece in added:
            event = "region_add" if is_new else "region_nop"
            for who in listeners:
                if is_new or who.hears_nop:
                    self.work.callbacks += 1
                    self.notify(who, event, space, piece)

    def _made(self, name: str, kind: Kind, size: int, alias: Region | None, fields: dict[str, object]) -> Region:
        if alias is not None:
            self._touch(alias)
        if not self.remembers:
            return region.Region(name, kind, size, alias=alias, **fields)  # type: ignore[arg-type]
        return self._spares.take(name, kind, size, alias, fields)

    def _changed(self, key: tuple[object, ...], mr: Region, records: tuple[Record, ...]) -> None:
        """Go to the node that stands for the tree after a mutation of `mr` (for a list: of its container)."""
        self.epoch += 1
        self.unseen.append((key, records))
        if not self._in_series:
            node = self._node.nexts.get(key)
            self._node = self._new_node(key, records, changes.changed_by(key)) if node is None else node.again()
        watch = self._watch
        if mr in watch:
            self._stale |= watch[mr]
        if key[0] not in _LISTS and mr.container in watch:
            self._stale |= watch[mr.container]

    # Address spaces and listeners

    def add_space(self, name: str, root: Region) -> AddressSpace:
        """Create an address space: appended, resolved and published at once, at any depth (5.4).

        It gets the view that its resolved root has, however old; a root not seen before is rendered from the tree now.
        """
        space = AddressSpace(name, root)
        self.spaces = [*self.spaces, space]
        self._stale.add(space)
        self._resolve()
        resolved = space.resolved
        if resolved is not None and resolved not in self.views:
            self.views[resolved] = self._content(resolved).copy(self.epoch)
        self.getter(space, Use("address_space_set_flatview", 0, 0, rcu=False))
        space.current = self._new_view(space)
        return space

    def remove_space(self, space: AddressSpace) -> None:
        """Destroy an address space. It marks nothing, so an outermost one rebuilds nothing.

        Raises MemoryAbort if listeners are still registered.
        """
        if space.listeners:
            raise MemoryAbort("do_address_space_destroy: Assertion `QTAILQ_EMPTY(&as->listeners)' failed.")
        self.begin()
        self.spaces = [other for other in self.spaces if other is not space]
        self.commit()

    def register(self, who: Listener, space: AddressSpace) -> None:
        """Link a listener to a space; it hears begin, region_add for each range published now, commit."""
        self.listeners = _linked(self.listeners, who)
        space.listeners = _linked(space.listeners, who)
        self.notify(who, "begin")
        if who.hears_ranges:
            for piece in space.current:
                self.notify(who, "region_add", space, piece)
        self.notify(who, "commit")

    def unregister(self, who: Listener, space: AddressSpace) -> None:
        """Unlink a listener; it hears begin, region_del for each range published now, commit."""
        self.notify(who, "begin")
        if who.hears_ranges:
            for piece in space.current:
                self.notify(who, "region_del", space, piece)
        self.notify(who, "commit")
        self.listeners = [other for other in self.listeners if other is not who]
        space.listeners = [other for other in space.listeners if other is not who]

    def fresh_view(self, space: AddressSpace) -> FlatView:
        """What the space would show if everything were committed now. Changes nothing and counts nowhere.

        Raises MemoryAbort for a layout at which QEMU aborts.
        """
        root = region.view_root(space.root)
        return EMPTY if root is None else self._content(root)

    @property
    def behind(self) -> bool:
        """Whether the tree has changed since views were made last, flag or no flag.

        The flag falls at the end of a rebuild, with all that a begin callback changed meanwhile.
        """
        return bool(self.unseen)

    def rendered(self, space: AddressSpace) -> FlatView | None:
        """The last view that was made of what the space's root resolves to now; None if none was.

        That is the space's current view, but for one whose root resolves otherwise by now, and within a commit.
        """
        return self.views.get(region.view_root(space.root))

    def changed(self, view: FlatView, lo: int, hi: int) -> bool:
        """Whether a fresh rendering of a view's root may show addresses lo..hi-1 otherwise than the view does.

        The view must be in the table (`rendered`). False is exact. True says that a change touched the addresses; it
        may have been undone, or be hidden by another region. Costs as much as there are changes; renders nothing.
        """
        if view.root is None:
            return False
        # The changes since the last rebuild are kept, one entry each; a space made since has a younger view.
        first = view.epoch - self.epoch + len(self.unseen)
        return changes.touch([records for _, records in self.unseen[first:]], view.root, lo, hi)

    def _content(self, root: Region) -> FlatView:
        view = self._node.contents.get(root)
        return self._new_content(root) if view is None else view

    def _new_content(self, root: Region) -> FlatView:
        if self._contents >= _MAX_CONTENTS:
            self._prune()
        old, spans = changes.since(self._node, root, self.views)
        if spans is not None and not self.remembers:
            spans.ways = None  # a function that was replaced may have changed what it does not tell of
        view = self._node.contents[root] = rendering.render(root, old, spans)
        if old is None or view.kept is not old.kept:  # else it has no lists of its own
            self._contents += 1
        return view

    def _new_node(self, key: tuple[object, ...], records: tuple[Record, ...], changed: tuple[Region, ...]) -> Node:
        weight = changes.weight_of(records)
        if self._nodes + weight > _MAX_NODES:
            self._prune()
        node = self._node.nexts[key] = Node(self._node, records, changed)
        self._nodes += weight
        return node

    def _new_series(self, key: tuple[object, ...], make: Callable[[], None]) -> None:
        """Make a series, and go to the one node behind it; keep what it came to if it was made from here before."""
        journal = self._journal
        assert journal is not None
        known = self._node.nexts.get(key)
        unseen = len(self.unseen)
        pending, self.update_pending = self.update_pending, False
        self._journal = {}
        self._in_series = True
        is_whole = False
        try:
            make()
            is_whole = True
        finally:
            self._in_series = False
            before, self._journal = self._journal, journal
            marks, self.update_pending = self.update_pending, self.update_pending or pending
            mutations = self.unseen[unseen:]
            if is_whole and known is not None:
                known.is_known = True
                known.series = Series(before, mutations, marks=marks)
                self._node = known
            else:
                records = tuple([record for _, records in mutations for record in records])
                changed = tuple(dict.fromkeys(mr for what, _ in mutations for mr in changes.changed_by(what)))
                self._node = self._new_node(key, records, changed) if is_whole else Node(self._node, records, changed)
            journal.update({mr: state for mr, state in before.items() if mr not in journal})

    @classmethod
    def _is_sound(cls) -> bool:
        return _functions(cls) == _FUNCTIONS

    def _resolve(self) -> None:
        """Resolve the roots of stale spaces, and watch every region that the result may depend on."""
        for space in self._stale:
            root: Region | None = space.root
            while root is not None:
                watchers = self._watch.setdefault(root, set())
                if space not in watchers:
                    watchers.add(space)
                    self._watched.append((root, space))
                root = _next_of(root)
            space.resolved = region.view_root(space.root)
        self._stale.clear()

    def forget(self) -> None:
        """Drop all that is remembered: the next renderings are made from scratch.

        A seam that is replaced must be so before the machine is built, or its checkpoint holds views of the old one.
        """
        self._node = Node(None, ())
        self._nodes = self._contents = 0
        self._stale.update(self.spaces)
        self._spares.forget()
        self._ears = None
        if self._pristine is not None:
            self._pristine.forget()

    def forget_nodes(self) -> None:
        """Drop remembered renderings but those of the checkpoint. For a machine that is in its pristine state."""
        if self._pristine is None or self._node is not self._pristine.node:
            raise MemoryAbort("forget_nodes away from the checkpoint")
        self._node.nexts.clear()
        self._nodes = self._contents = 0

    def _prune(self) -> None:
        """Forget the nodes that were come by once, or all; go on in a new one that stands for the tree as it is.

        Loads of a stream that was mutated once make hundreds of nodes that nobody asks for again. Those of the streams
        that it came from stay, or each few of its kind would have all of them made anew.
        """
        self._nodes = self._contents = 0
        if self._pristine is not None:
            self._nodes, self._contents = changes.clear(self._pristine.node)
            if 2 * self._nodes > _MAX_NODES or 2 * self._contents > _MAX_CONTENTS:
                changes.clear(self._pristine.node)
                self._nodes = self._contents = 0
        self._node = Node(None, ())

    # The way back

    def checkpoint(self) -> None:
        """Take the present state as the pristine one. Raises MemoryAbort inside a transaction or with one pending."""
        if self.depth or self.update_pending or self.ioeventfd_pending:
            raise MemoryAbort("checkpoint within a transaction")
        contents = self._node.contents
        self.forget()
        self._node.contents = contents
        self._resolve()
        self._watched.clear()
        self._journal = {}
        self.ram.checkpoint()
        self._pristine = _Pristine(self, self._node)

    def rollback(self) -> None:
        """Return to the last checkpoint: tree, views, spaces, listeners, counters, RAM, getter.

        Raises MemoryAbort without a checkpoint. After `forget` the pristine tree is rendered anew at need.
        """
        if self._pristine is None or self._journal is None:
            raise MemoryAbort("rollback without a checkpoint")
        for mr, state in self._journal.items():
            region.restore(mr, state)
        self._journal.clear()
        self._spares.put_back()
        self.ram.rollback()
        for root, space in self._watched:
            watchers = self._watch[root]
            watchers.discard(space)
            if not watchers:
                del self._watch[root]
        self._watched.clear()
        self._pristine.restore(self)
        self._node = self._pristine.node
        self._stale.clear()


class _Pristine:
    """What a rollback puts back besides the fields of regions."""

    def __init__(self, memory: Memory, node: Node) -> None:
        self.node = node
        self.views = dict(memory.views)
        self.unseen = list(memory.unseen)
        self.rebuilds, self.epoch, self.getter, self.mmio = memory.rebuilds, memory.epoch, memory.getter, memory.mmio
        self.work = memory.work.save()
        self.remap, self.store = memory.remap, memory.store
        self.listeners = memory.listeners
        self.memory_spaces = memory.spaces
        self.spaces = [(space, space.current, space.resolved, space.listeners) for space in memory.spaces]
        self.states = [(who, who.save()) for who in memory.listeners]

    def forget(self) -> None:
        self.node = Node(None, ())
        for view in self.views.values():
            view.kept.forget()

    def restore(self, memory: Memory) -> None:
        memory.depth = 0
        memory.update_pending = memory.ioeventfd_pending = False
        memory.has_lock = True
        memory.heard = memory.before_commit = None
        memory.asks_in_commit = False
        memory.views = dict(self.views)
        memory.unseen = list(self.unseen)
        memory.rebuilds, memory.epoch, memory.getter, memory.mmio = self.rebuilds, self.epoch, self.getter, self.mmio
        memory.work.restore(self.work)
        memory.remap, memory.store = self.remap, self.store
        memory.listeners = self.listeners
        memory.spaces = self.memory_spaces
        for space, current, resolved, listeners in self.spaces:
            space.current, space.resolved, space.listeners = current, resolved, listeners
        for who, state in self.states:
            who.restore(state)


def zeros(mr: Region, offset: int, length: int) -> bytes:  # noqa: ARG001
    """The default for reads behind a handler: zeros.

    Model: no device register has contents here. A ring inside MMIO reads as zeros where the real one would read
    registers; a machine that knows better installs its own `Memory.mmio`.
    """
    return bytes(length)


def _linked(listeners: list[Listener], who: Listener) -> list[Listener]:
    at = len(listeners)
    while at > 0 and listeners[at - 1].priority > who.priority:
        at -= 1
    return [*listeners[:at], who, *listeners[at:]]


def _next_of(root: Region) -> Region | None:
    """The next region that resolving a root may look at: more than `region.view_root` does, never less."""
    if root.alias is not None:
        return root.alias
    if root.terminates:
        return None
    live = [child for child in root.subregions if child.enabled]
    return live[0] if len(live) == 1 else None


def _functions(core: type[Memory]) -> tuple[object, ...]:
    """What a series of mutations is made by."""
    return (
        core.begin, core.commit, core.mark_pending, core.add_subregion, core.del_subregion, core.set_enabled,
        core.set_address, core.set_size, core.init_alias,
    )  # fmt: skip


_FUNCTIONS: Final = _functions(Memory)
