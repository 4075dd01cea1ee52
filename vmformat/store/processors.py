"""Subsections of processors that a stream shows only of some guests or hosts.

`qemu -dump-vmstate` does not list them. Each was put behind the state of a processor of QEMU 7.2.22 (x86 and aarch64),
which took it with this length; the names of fields are those that it gave back where it sent the subsection again, and
QEMU's customary ones where it did not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmformat.schema import Field, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOUND: Final = Schema("bnd_regs", 1, 1, (Field("lb", "uint64"), Field("ub", "uint64")))
_UPPER: Final = Schema("zmmh_reg", 1, 1, tuple(Field(f"_q_ZMMReg[{i}]", "uint64") for i in range(4, 8)))
_WHOLE: Final = Schema("hi16_zmm_reg", 1, 1, tuple(Field(f"_q_ZMMReg[{i}]", "uint64") for i in range(8)))
_BRANCH: Final = Schema("arch_lbr_record", 1, 1, tuple(Field(name, "uint64") for name in ("from", "to", "info")))
_VECTOR: Final = Schema("zarray_row", 1, 1, (Field("d", "uint64", count=32),))


def _sub(name: str, *parts: str | tuple[str, int, Schema]) -> Schema:
    """A subsection: texts of fields, `name:type` or `name:type:count`, and arrays of structs."""
    fields = []
    for part in parts:
        if isinstance(part, tuple):
            fields.append(Field(f"env.{part[0]}", "struct", count=part[1], struct=part[2]))
            continue
        for word in part.split():
            field, kind, *count = word.split(":")
            fields.append(Field(f"env.{field}", kind, count=int(count[0]) if count else None))
    return Schema(f"cpu/{name}", 1, 1, tuple(fields))


_X86: Final = (
    _sub(
        "exception_info",
        "exception_pending:uint8 exception_injected:uint8 exception_has_payload:uint8 exception_payload:uint64",
    ),
    _sub("async_pf_msr", "async_pf_en_msr:uint64"),
    _sub("async_pf_int_msr", "async_pf_int_msr:uint64"),
    _sub("async_pv_eoi_msr", "pv_eoi_en_msr:uint64"),
    _sub("steal_time_msr", "steal_time_msr:uint64"),
    _sub("poll_control_msr", "poll_control_msr:uint64"),
    _sub("fpop_ip_dp", "fpop:uint16 fpip:uint64 fpdp:uint64"),
    _sub("msr_tsc_adjust", "tsc_adjust:uint64"),
    _sub("msr_tscdeadline", "tsc_deadline:uint64"),
    _sub("msr_ia32_misc_enable", "msr_ia32_misc_enable:uint64"),
    _sub("msr_ia32_feature_control", "msr_ia32_feature_control:uint64"),
    _sub(
        "msr_architectural_pmu",
        "msr_fixed_ctr_ctrl:uint64 msr_global_ctrl:uint64 msr_global_status:uint64 msr_global_ovf_ctrl:uint64 "
        "msr_fixed_counters:uint64:3 msr_gp_counters:uint64:18 msr_gp_evtsel:uint64:18",
    ),
    _sub("mpx", "", ("bnd_regs", 4, _BOUND), "bndcs_regs.cfgu:uint64 bndcs_regs.sts:uint64 msr_bndcfgs:uint64"),
    _sub("msr_hyperv_hypercall", "msr_hv_guest_os_id:uint64 msr_hv_hypercall:uint64"),
    _sub("msr_hyperv_vapic", "msr_hv_vapic:uint64"),
    _sub("msr_hyperv_time", "msr_hv_tsc:uint64"),
    _sub("msr_hyperv_crash", "msr_hv_crash_params:uint64:5"),
    _sub("msr_hyperv_runtime", "msr_hv_runtime:uint64"),
    _sub(
        "msr_hyperv_synic",
        "msr_hv_synic_control:uint64 msr_hv_synic_evt_page:uint64 msr_hv_synic_msg_page:uint64 "
        "msr_hv_synic_sint:uint64:16",
    ),
    _sub("msr_hyperv_stimer", "msr_hv_stimer_config:uint64:4 msr_hv_stimer_count:uint64:4"),
    _sub(
        "msr_hyperv_reenlightenment",
        "msr_hv_reenlightenment_control:uint64 msr_hv_tsc_emulation_control:uint64 msr_hv_tsc_emulation_status:uint64",
    ),
    _sub("avx512", "opmask_regs:uint64:8", ("xmm_regs[0]", 16, _UPPER), ("xmm_regs[1]", 16, _WHOLE)),
    _sub("xss", "xss:uint64"),
    _sub("umwait", "umwait:uint32"),
    _sub("pkru", "pkru:uint32"),
    _sub("pkrs", "pkrs:uint32"),
    _sub("tsc_khz", "tsc_khz:int64"),
    _sub("mcg_ext_ctl", "mcg_ext_ctl:uint64"),
    _sub("spec_ctrl", "spec_ctrl:uint64"),
    _sub("virt_ssbd", "virt_ssbd:uint64"),
    _sub("svn_npt", "nested_cr3:uint64 nested_pg_mode:uint32"),
    _sub("svm_guest", "int_ctl:uint32"),
    _sub(
        "intel_pt",
        "msr_rtit_ctrl:uint64 msr_rtit_status:uint64 msr_rtit_output_base:uint64 msr_rtit_output_mask:uint64 "
        "msr_rtit_cr3_match:uint64 msr_rtit_addrs:uint64:8",
    ),
    _sub("msr_tsx_ctrl", "tsx_ctrl:uint32"),
    _sub("msr_smi_count", "msr_smi_count:uint64"),
    _sub("intel_sgx", "msr_ia32_sgxlepubkeyhash:uint64:4"),
    _sub("pdptrs", "pdptrs:uint64:4"),
    _sub("msr_xfd", "msr_xfd:uint64 msr_xfd_err:uint64"),
    _sub("intel_amx_xtile", "xtilecfg:uint8:64 xtiledata:uint8:8192"),
    _sub("arch_lbr", "msr_lbr_ctl:uint64 msr_lbr_depth:uint64", ("lbr_records", 32, _BRANCH)),
    _sub("triple_fault", "triple_fault_pending:uint8"),
)

_ARM: Final = (
    _sub("irq-line-state", "irq_line_state:uint32"),
    _sub("thumb2ee", "teecr:uint32 teehbr:uint32"),
    _sub("serror", "serror.pending:uint8 serror.has_esr:uint8 serror.esr:uint64"),
    _sub("sme", ("zarray", 256, _VECTOR)),
)

SUBSECTIONS: Final[Mapping[tuple[str, int], tuple[Schema, ...]]] = {("cpu", 12): _X86, ("cpu", 22): _ARM}
"""By vmsd and version: x86 has version 12, Arm 22."""


def with_known(schema: Schema) -> Schema:
    """The schema with the subsections known of it that no stream has shown."""
    seen = {sub.name for sub in schema.subsections}
    more = tuple(sub for sub in SUBSECTIONS.get((schema.name, schema.version), ()) if sub.name not in seen)
    return replace(schema, subsections=schema.subsections + more) if more else schema
