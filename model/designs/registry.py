"""The designs by name, in the order of designs.md. A new one is a file beside the others and a line here.

Nothing else in the house names one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.designs.assert_depth import AssertDepth
from model.designs.commit_before_post_load import CommitBeforePostLoad
from model.designs.force_depth0 import ForceDepth0
from model.designs.force_naive import ForceNaive
from model.designs.lazy_epoch import LazyEpoch
from model.designs.p21_bql_assert import P21BqlAssert
from model.designs.per_device import PerDevice
from model.designs.per_section import PerSection
from model.designs.postponed_cache import PostponedCache
from model.designs.stale_list import StaleList
from model.designs.thread_local_check import ThreadLocalCheck
from model.designs.threaded_batch import ThreadedBatch
from model.designs.threaded_sections import ThreadedSections
from model.designs.v1_flag_eof import V1FlagEof
from model.designs.v2_postponed_checks import V2PostponedChecks
from model.designs.v3_runstate import V3Runstate
from model.designs.v4_depth_or_rcu import V4DepthOrRcu
from model.designs.v5_bql_or_rcu import V5BqlOrRcu
from model.designs.v6_do_commit import V6DoCommit
from model.designs.v7_rcu_dispatch import V7RcuDispatch
from model.designs.v8_rcu_getref import V8RcuGetref
from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Design

_ALL: Final[tuple[type[Design], ...]] = (
    PerDevice,
    V1FlagEof,
    WrapMain,
    ThreadLocalCheck,
    AssertDepth,
    StaleList,
    PostponedCache,
    V2PostponedChecks,
    V3Runstate,
    V4DepthOrRcu,
    V5BqlOrRcu,
    ForceNaive,
    ForceDepth0,
    V6DoCommit,
    V7RcuDispatch,
    V8RcuGetref,
    CommitBeforePostLoad,
    PerSection,
    P21BqlAssert,
    ThreadedSections,
    ThreadedBatch,
    LazyEpoch,
)

REFERENCE: Final[type[Design]] = PerDevice
DESIGNS: Final = {design.name: design for design in _ALL}

HELD: Final[tuple[type[Design], ...]] = (ForceDepth0, V6DoCommit, LazyEpoch)
"""Those under which no load is known to show anybody an old view while nobody else runs: continuous fuzzing holds them
to that (`fuzz.oss`)."""
