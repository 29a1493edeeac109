#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""machine.py KERNEL FOLDER PROGRAM... - what Bochs needs to boot Linux: FOLDER/rom and
FOLDER/memory.

Bochs starts with its memory filled from a file: Linux as the package has it, its
file system with the programs and the libraries that they load, and what a boot loader
tells Linux (Documentation/arch/x86/boot.rst, "32-bit boot protocol"). So there is no
BIOS, no boot loader and no disk; the ROM is a few instructions that enter Linux.

PROGRAM is HERE=THERE, a file or a folder and its path in that machine; the libraries
of a program go to the paths that ldd names.
"""
import os
import re
import struct
import subprocess
import sys

MEMORY = 512 << 20
BLOCK = 8 << 20  # memory is in blocks of so many bytes: bochsrc's block_size
PARAMETERS, COMMAND_LINE, KERNEL = 0x10000, 0x20000, 0x100000
COMMAND = ("console=ttyS0 earlyprintk=ttyS0,115200 quiet nokaslr mitigations=off "
           "acpi=off pci=off no5lvl rdinit=/init")


def archive(files):
    """The cpio archive ("newc") of {path: bytes, or None for a folder}."""
    parts = []
    whole = dict(files)
    for path in files:
        while path := os.path.dirname(path):
            whole.setdefault(path, None)
    for path in sorted(whole) + ["TRAILER!!!"]:
        data = whole.get(path)
        mode = 0o40755 if data is None else 0o100755
        data = data or b""
        name = path.encode() + b"\0"
        # number, mode, user, group, links, time, size, device (4), length, sum
        fields = (len(parts) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        entry = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        for piece in (entry, data):
            parts.append(piece + bytes(-len(piece) % 4))
    return b"".join(parts)


def libraries(program):
    """The shared libraries that a program loads, with the loader."""
    text = subprocess.run(["ldd", program], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return re.findall(r"(/\S+) \(0x", text)


def rom():
    """From the reset at FFFFFFF0 to Linux in 32-bit mode, at the end of 4 GiB."""
    size = 0x10000
    base = (1 << 32) - size
    # Null, unused, code (selector 10h), data (18h): flat, 4 GiB.
    gdt = struct.pack("<QQQQ", 0, 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF)
    flat = base + 0x100
    start = (b"\xfa"                                      # cli
             b"\x66\x2e\x0f\x01\x16\x80\x00"              # lgdt cs:[0x80]
             b"\x0f\x20\xc0\x0c\x01\x0f\x22\xc0"          # cr0 |= 1
             b"\x66\xea" + struct.pack("<IH", flat, 0x10))  # jmp 10h:flat
    # Bochs gives a block its place when it is first touched: in order, so that they
    # lie as in the file.
    enter = (b"\x66\xb8\x18\x00\x8e\xd8\x8e\xc0\x8e\xd0"  # ds, es, ss = 18h
             b"\x31\xff"                                  # xor edi, edi
             b"\x8b\x07"                                  # mov eax, [edi]
             b"\x81\xc7" + struct.pack("<I", BLOCK) +     # add edi, BLOCK
             b"\x81\xff" + struct.pack("<I", MEMORY) +    # cmp edi, MEMORY
             b"\x72\xf0"                                  # jb mov
             b"\xbe" + struct.pack("<I", PARAMETERS) +    # mov esi, PARAMETERS
             b"\x31\xff\x31\xed\x31\xdb"                  # edi, ebp, ebx = 0
             b"\xb8" + struct.pack("<I", KERNEL) +        # mov eax, KERNEL
             b"\xff\xe0")                                 # jmp eax
    image = bytearray(b"\xf4" * size)
    for at, data in ((0x0, start), (0x80, struct.pack("<HI", len(gdt) - 1, base + 0xC0)),
                     (0xC0, gdt), (0x100, enter),
                     (0xFFF0, b"\xe9\x0d\x00")):  # jmp start, 16 bytes on
        image[at:at + len(data)] = data
    return image


def write_memory(path, kernel, files):
    setup = (1 + (kernel[0x1F1] or 4)) * 512
    header_end = 0x202 + kernel[0x201]
    space, = struct.unpack_from("<I", kernel, 0x260)
    preferred, = struct.unpack_from("<Q", kernel, 0x258)
    # Behind the place into which Linux decompresses itself.
    files_at = (preferred + space + BLOCK) // BLOCK * BLOCK
    if files_at + len(files) > MEMORY // 2:
        sys.exit("machine.py: the programs take more than half of the memory")
    parameters = bytearray(4096)
    parameters[0x1F1:header_end] = kernel[0x1F1:header_end]
    parameters[0x210] = 0xFF  # a boot loader without a number
    struct.pack_into("<I", parameters, 0x214, KERNEL)
    struct.pack_into("<II", parameters, 0x218, files_at, len(files))
    struct.pack_into("<I", parameters, 0x228, COMMAND_LINE)
    # What is memory: below 640 KiB, and above 1 MiB.
    ranges = ((0, 0xA0000), (0x100000, MEMORY - 0x100000))
    parameters[0x1E8] = len(ranges)
    for i, (start, length) in enumerate(ranges):
        struct.pack_into("<QQI", parameters, 0x2D0 + 20 * i, start, length, 1)
    with open(path, "wb") as memory:
        for at, data in ((PARAMETERS, parameters), (COMMAND_LINE, COMMAND.encode() + b"\0"),
                         (KERNEL, kernel[setup:]), (files_at, files)):
            memory.seek(at)
            memory.write(data)


def add(files, here, there):
    with open(here, "rb") as file:
        files[there] = file.read()


def main():
    kernel, folder, *programs = sys.argv[1:]
    files = {"proc": None, "dev": None, "tmp": None}
    for program in programs:
        here, there = program.split("=")
        for folder_here, _, names in os.walk(here):
            for name in names:
                path = os.path.join(folder_here, name)
                add(files, path, there + path[len(here):])
        if os.path.isfile(here):
            add(files, here, there)
            if files[there][:4] == b"\x7fELF":
                for library in libraries(here):
                    add(files, library, library.lstrip("/"))
    with open(kernel, "rb") as file:
        write_memory(os.path.join(folder, "memory"), file.read(), archive(files))
    with open(os.path.join(folder, "rom"), "wb") as file:
        file.write(rom())


main()
