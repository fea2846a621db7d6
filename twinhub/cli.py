"""The command line: finds the command, runs it, turns what went wrong into one line and an exit code.

Exit codes: 0 it worked, 1 it did not, 2 the command line was not understood, 130 interrupted.
Only the chosen command's module is imported, so `twinhub --help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from twinhub import __version__
from twinhub.errors import CommandError

COMMANDS = {  # name: its module in twinhub.commands, one line of help
    "run": ("run", "run the hub of one edge: broker, twins, mappers and pods"),
    "validate": ("validate", "check a folder of manifests and show every problem"),
    "plan": ("plan", "show which requests the mappers will send to each device"),
    "try": ("try_device", "read a device once, show raw values and every decoding, publish nothing"),
    "record": ("record", "record what a device says, to replay it in its place"),
    "discover": ("discover", "look what devices there are, and print their manifests"),
    "get": ("get", "show devices, pods, a twin, or one value, of a hub or of a cloud"),
    "set": ("set_desired", "set a desired value, in a hub or in a cloud"),
    "watch": ("watch", "follow twins as they change"),
    "trust": ("trust", "trust the certificate of an OPC-UA server, or show which were seen"),
    "mapper": ("mapper", "run a mapper as a process of its own"),
    "cloud": ("cloud", "run a cloud that edges join"),
    "join": ("join", "let this edge join a cloud, once"),
    "token": ("token", "make a token with which a node may join"),
    "apply": ("apply", "declare devices and models in a cloud"),
    "delete": ("delete", "declare a device or a model in a cloud no longer"),
    "revoke": ("revoke", "turn a node away"),
    "describe": ("describe", "show all there is to know of a pod"),
    "logs": ("logs", "show the output of a pod, or the newest log lines of a node"),
    "exec": ("exec_command", "run a command in a pod"),
    "image": ("image", "take images for pods from a file, or list those that are here"),
}
DESCRIPTION = "Declare devices in YAML, read and steer them as twins over MQTT."
EXAMPLES = """\
examples:
  twinhub validate plant/            is everything in plant/ understood?
  twinhub try boiler --dir plant/    read one device, look at its raw registers
  twinhub run plant/                 run the hub
  twinhub get boiler                 in another terminal: its twin as a table
  twinhub set pump speed-set-point 1450 --wait
  twinhub get pods                   what runs here, and how it is
  twinhub get nodes --cloud HOST     the edges of a cloud
`twinhub COMMAND --help` shows each command's own options and examples.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser(words).parse_args(words)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except Exception as error:
        if "debug" in options:
            raise
        print(f"twinhub: {_line(error)}", file=sys.stderr)
        return 1
    return code


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, complete for the command that `words` name."""
    anywhere = argparse.ArgumentParser(add_help=False)
    anywhere.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )
    parser = argparse.ArgumentParser(
        prog="twinhub",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        parents=[anywhere],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"twinhub {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, (module_name, summary) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[anywhere]
        )
        if name == chosen:
            module = import_module(f"twinhub.commands.{module_name}")
            command.description, _, command.epilog = str(module.__doc__).partition("\n\n")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _line(error: Exception) -> str:
    """A user's mistake speaks for itself; anything else is a defect and says how to look at it."""
    if isinstance(error, CommandError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error} (`twinhub --debug ...` shows where)"


def _silence_stdout() -> None:
    """The reader of our output has gone: what is still buffered must not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
