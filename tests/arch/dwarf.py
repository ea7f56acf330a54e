"""Reads layouts and signatures out of the debug information of a library."""

import io
from dataclasses import dataclass

from elftools.elf.elffile import ELFFile

QUALIFIERS = {"DW_TAG_const_type", "DW_TAG_restrict_type", "DW_TAG_typedef"}
RECORDS = {"DW_TAG_structure_type", "DW_TAG_union_type"}
ENCODINGS = {2: "bool", 4: "float", 5: "signed", 6: "signed", 7: "unsigned", 8: "unsigned"}


@dataclass(frozen=True)
class Value:
    """What a parameter or a return value is to a caller."""

    kind: str  # void, bool, signed, unsigned, float, enum, pointer or record
    size: int


def label(die):
    return die.attributes["DW_AT_name"].value.decode() if "DW_AT_name" in die.attributes else ""


def plain(die):
    """The type of a member, parameter or function, without typedefs and const; None is void."""
    while "DW_AT_type" in die.attributes:
        die = die.get_DIE_from_attribute("DW_AT_type")
        if die.tag not in QUALIFIERS:
            return die
    return None


def size_of(die):
    if die.tag == "DW_TAG_array_type":
        size = size_of(plain(die))
        for dimension in die.iter_children():
            size *= dimension.attributes["DW_AT_upper_bound"].value + 1
        return size
    return die.attributes["DW_AT_byte_size"].value


def value_of(die):
    if die is None:
        return Value("void", 0)
    if die.tag == "DW_TAG_pointer_type":
        return Value("pointer", size_of(die))
    if die.tag in RECORDS:
        return Value("record", size_of(die))
    if die.tag == "DW_TAG_enumeration_type":
        return Value("enum", size_of(die))
    return Value(ENCODINGS[die.attributes["DW_AT_encoding"].value], size_of(die))


def members_of(record, base=0, prefix=""):
    """{"a.b": (offset, size)} of a record; members of a nested record under their path."""
    found = {}
    for member in record.iter_children():
        if member.tag != "DW_TAG_member":
            continue
        path = prefix + label(member)
        assert "DW_AT_bit_size" not in member.attributes, f"{path} is a bit-field"
        location = member.attributes.get("DW_AT_data_member_location")
        offset = base + (location.value if location else 0)
        kind = plain(member)
        if kind.tag in RECORDS:
            found |= members_of(kind, offset, f"{path}." if label(member) else prefix)
        else:
            found[path] = (offset, size_of(kind))
    return found


class Library:
    """The named records and the exported functions of a library built with -g."""

    def __init__(self, path, folder):
        """Looks at the compilation units whose source file is in the folder."""
        self._records = {}
        self._functions = {}
        debug = ELFFile(io.BytesIO(path.read_bytes())).get_dwarf_info()
        for unit in debug.iter_CUs():
            top = unit.get_top_DIE()
            if f"/{folder}/" in label(top):
                for die in top.iter_children():
                    self._take(die)

    def _take(self, die):
        if die.tag in RECORDS and "DW_AT_byte_size" in die.attributes:
            self._records.setdefault(label(die), die)
        elif die.tag == "DW_TAG_subprogram" and {"DW_AT_low_pc", "DW_AT_inline"} & set(
            die.attributes
        ):
            # Inlined somewhere: its code stands apart, without the name.
            self._functions.setdefault(label(die), die)

    @property
    def functions(self):
        return set(self._functions)

    def record(self, name):
        """Size and members of a record."""
        die = self._records[name]
        return size_of(die), members_of(die)

    def signature(self, name):
        """What a function returns and what it takes."""
        die = self._functions[name]
        parameters = [c for c in die.iter_children() if c.tag == "DW_TAG_formal_parameter"]
        return [value_of(plain(die)), *(value_of(plain(p)) for p in parameters)]
