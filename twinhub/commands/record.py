"""Record what a device really says, to look at it, or to replay it in the place of the device.

examples:
  twinhub record pump --dir plant/ --seconds 60     into pump.jsonl
  twinhub record line-2/pump --out quiet-night.jsonl     until Ctrl-C; the manifests are here

The device is served by its own mapper as a hub would, and what it says is written down line by line: values as they
came, before any conversion, failures and silence. Nothing is published, and no hub need run; one that does may have
to be stopped where a device takes only one connection. To replay it, write `protocolName: replay` and
`configData: {file: pump.jsonl}` into the device, and leave its visitors as they are.
Exit codes: 0 it was recorded, 1 it never said a value or could not be recorded, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from pathlib import Path

from device_models import Device
from mappers.protocols import PROTOCOLS
from mappers.recorder import noting
from mappers.recording import Header, header_of
from mappers.tape import Tape
from twinhub.errors import CommandError
from twinhub.event_loop import run_until_signalled
from twinhub.logs import log_to_stderr
from twinhub.manifests import device_in
from twinhub.text import plural
from twinhub.twin_rows import device_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", type=device_id, metavar="DEVICE", help="[NAMESPACE/]NAME")
    parser.add_argument("--dir", type=Path, default=Path(), metavar="DIR", help="the manifests (default: here)")
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="how long (default: until Ctrl-C)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: NAME.jsonl, here")


def run(options: argparse.Namespace) -> int:
    log_to_stderr()
    device = device_in(options.dir, options.device)
    tape = Tape(options.out or Path(f"{device.name}.jsonl"), _header(device))
    try:
        run_until_signalled(_record(device, tape, options.seconds))
    except FileExistsError:
        raise CommandError(f"{tape.file} is there already; remove it, or name another file with --out") from None
    except OSError as error:
        raise CommandError(f"{tape.file} cannot be written: {error.strerror}") from None
    if tape.problem:
        raise CommandError(f"{tape.problem}; the recording ends there")
    print(f"{tape.file}: {device.id} spoke {plural(tape.spoken, 'time')} in {tape.length:.1f} s", flush=True)
    return 0 if tape.spoken else 1


async def _record(device: Device, tape: Tape, seconds: float | None) -> None:
    async with noting(device, tape):
        print(f"recording {device.id} into {tape.file}; Ctrl-C ends it", flush=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(tape.stopped.wait(), seconds)


def _header(device: Device) -> Header:
    if device.protocol not in PROTOCOLS:
        raise CommandError(f"{device.id} has the protocol {device.protocol}, which no mapper here speaks")
    try:
        return header_of(device)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is no time; write seconds above 0")
    return seconds
