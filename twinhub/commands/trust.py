"""Trust the certificate of an OPC-UA server, or show which were seen.

examples:
  twinhub trust                                   every server's certificates, trusted and rejected
  twinhub trust FOLDER                            those of one trust folder, or of one server in it
  twinhub trust FOLDER/plc-4840 5f1c…             trust the one with this SHA-256 fingerprint from now on

A server that shows an unknown certificate is not spoken with; its certificate is kept as rejected, and the log names
the command that trusts it. Compare the fingerprint with the one that the server itself shows before you do that. A
mapper that is running takes notice by itself. To trust one no longer, delete its file.
Exit codes: 0 shown or trusted, 1 there is no such certificate, 2 usage.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mappers.opcua import trust
from twinhub.errors import CommandError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help=f"a trust folder (default: {trust.default_folder()})"
    )
    parser.add_argument("fingerprint", nargs="?", metavar="FINGERPRINT", help="as the log says it, or its beginning")


def run(options: argparse.Namespace) -> int:
    folder = options.folder or trust.default_folder()
    servers = trust.servers(folder)
    if options.fingerprint is None:
        _show(folder, servers)
    else:
        _trust(folder, servers, options.fingerprint)
    return 0


def _show(folder: Path, servers: list[Path]) -> None:
    kept = [certificate for server in servers for certificate in trust.certificates(server)]
    if not kept:
        print(f"{folder} holds no server's certificate; a mapper puts there what servers show")
        return
    for each in kept:
        print(f"{each.state:8}  {each.fingerprint}  {each.server}")


def _trust(folder: Path, servers: list[Path], fingerprint: str) -> None:
    if len(servers) > 1:
        names = ", ".join(server.name for server in servers)
        raise CommandError(f"{folder} has several servers; name one of them: {folder}/NAME, with NAME of {names}")
    try:
        kept = trust.trust(servers[0] if servers else folder, fingerprint)
    except LookupError as error:
        raise CommandError(f"{error}; `twinhub trust {folder}` shows what there is") from None
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from None
    print(f"{kept.server} may show {kept.fingerprint} from now on")
