"""Writes the table of formats/onnx_history.c: what each new version of an ONNX operator allowed that the one
before did not, from opset 14 on. Run with the onnx package: python onnx_history.py > table.inc"""
import onnx.defs as defs

TYPES = dict(double="F64", float="F32", float16="F16", bfloat16="BF16", int64="I64", int32="I32", int8="I8",
             uint8="U8", bool="BOOL", float8e4m3fn="F8E4M3", float8e5m2="F8E5M2", uint16="U16", uint32="U32",
             uint64="U64", int16="I16", int4="I4", uint4="U4", int2="I2", uint2="U2",
             float8e4m3fnuz="F8E4M3FNUZ", float8e5m2fnuz="F8E5M2FNUZ", float8e8m0="F8E8M0",
             float4e2m1="F4E2M1", string="STRING")
GROUPS = [("SMALL8", ["F8E4M3", "F8E5M2", "F8E4M3FNUZ", "F8E5M2FNUZ"]), ("INT4", ["I4", "U4"]),
          ("INT2", ["I2", "U2"])]


def types(schema):
    named = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    found = set()
    for io in list(schema.inputs) + list(schema.outputs):
        for text in named.get(io.type_str, [io.type_str]):
            inner = text[text.rfind("(") + 1:].rstrip(")")
            if inner in TYPES:
                found.add(TYPES[inner])
    return found


def mask(names):
    left, out = set(names), []
    for group, members in GROUPS:
        if left.issuperset(members):
            out.append(group)
            left -= set(members)
    return " | ".join(out + ["B(%s)" % n for n in TYPES.values() if n in left]) or "0"


history = {}
for s in defs.get_all_schemas_with_history():
    if s.domain == "" and not s.deprecated:
        history.setdefault(s.name, []).append(s)
for name in sorted(history):
    before = None
    for s in sorted(history[name], key=lambda s: s.since_version):
        now = (types(s), set(s.attributes), s.max_input, s.max_output)
        if s.since_version > 13:
            old = before or (set(), set(), 0, 0)
            attrs = " ".join(sorted(now[1] - old[1])) if before else ""
            added = mask(now[0] - old[0]) if before else "0"
            n_in = now[2] if before and now[2] > old[2] else 0
            new = "true" if not before else "false"
            if not before or attrs or added != "0" or n_in:
                print('    {"%s", %d, %s, %s, %s, %d},' % (name, s.since_version, new, added,
                      '"%s"' % attrs if attrs else "NULL", min(n_in, 65535)))
        before = now if not before else (before[0] | now[0], before[1] | now[1], max(before[2], now[2]), 0)
