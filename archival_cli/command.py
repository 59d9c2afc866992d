"""What every command has: the flags that name the service and the form of the answer, and the session that they make."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, Literal, get_args

import click

from archival_cli.service import target
from archival_cli.service.client import Client
from archival_cli.service.names import Names
from archival_cli.showing.output import Output

Form = Literal["table", "wide", "json", "csv"]


class Session:
    """One call of the command line; the service is looked for when a command first needs it."""

    def __init__(self) -> None:
        self.url: str | None = None
        self.key: str | None = None
        self.profile: str | None = None
        self.form: Form = "table"
        #: seconds that a service which cannot answer now is asked again
        self.wait = 60.0

    @cached_property
    def client(self) -> Client:
        """The service that is meant; raises `CommandError` if nothing says which."""
        return Client(*target.find(self.url, self.key, self.profile), self.output.note, self.wait)

    @cached_property
    def output(self) -> Output:
        """Where answers go."""
        return Output(self.form)

    @cached_property
    def names(self) -> Names:
        """Names as people write them."""
        return Names(self.client)


pass_session = click.make_pass_decorator(Session, ensure=True)


def _keep(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(context.ensure_object(Session), field, value)

    return keep


def _json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).form = "json"


def _profiles(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from archival_cli.service import profiles

    return [name for name in profiles.read().profiles if name.startswith(incomplete)]


def _common() -> list[click.Parameter]:
    return [
        click.Option(
            ["-o", "--output"],
            type=click.Choice(get_args(Form)),
            expose_value=False,
            callback=_keep("form"),
            help="table fits the terminal, wide shows everything, json and csv are for scripts.",
        ),
        click.Option(["--json"], is_flag=True, expose_value=False, callback=_json, help="The same as -o json."),
        click.Option(
            ["--profile"],
            expose_value=False,
            callback=_keep("profile"),
            shell_complete=_profiles,
            help="A service of `archival login`; otherwise ARCHIVAL_PROFILE, or the one that was chosen last.",
        ),
        click.Option(
            ["--url"],
            expose_value=False,
            callback=_keep("url"),
            help="Of the service; otherwise ARCHIVAL_API_URL, a profile, or the local stack of `make run`.",
        ),
        click.Option(
            ["--key"],
            expose_value=False,
            callback=_keep("key"),
            help="A function key; otherwise ARCHIVAL_API_KEY. Others on this machine can see a flag.",
        ),
        click.Option(
            ["--wait"],
            type=click.FloatRange(0),
            metavar="SECONDS",
            expose_value=False,
            callback=_keep("wait"),
            help="How long a service that cannot answer now is asked again; 60 unless said otherwise.",
        ),
    ]


#: Names of the parameters that every command has.
COMMON: Final = frozenset(str(option.name) for option in _common())

_HELP: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Command(click.Command):
    """A command with the common flags, which stand after its name."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{"context_settings": _HELP, **named})
        self.params += _common()


class Group(click.Group):
    """A command with actions, of which `default` is meant where none is named."""

    command_class = Command
    group_class = type

    def __init__(self, *arguments: Any, default: str | None = None, **named: Any) -> None:
        super().__init__(*arguments, **{"context_settings": _HELP, **named})
        self.params += _common()
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """With the default action, unless the line names an action, or asks for help."""
        names_one = bool(args) and not args[0].startswith("-")
        # a shell that completes the line wants to know all actions
        if (
            self._default
            and not ctx.resilient_parsing
            and not names_one
            and not set(args) & {*self.commands, *ctx.help_option_names}
        ):
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As the parent; a reader that has gone away is told without an error number, of which click would make exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise BrokenPipeError from error

    def list_commands(self, context: click.Context) -> list[str]:
        """In the order in which they were added."""
        return list(self.commands)
