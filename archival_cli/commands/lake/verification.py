"""`verify` and `findings`: are the archives what was written?"""

from __future__ import annotations

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.errors import MISUSED, REFUSED, CommandError
from archival_cli.showing.columns import FINDINGS
from archival_cli.showing.text import counted


@click.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE, required=False)
@click.option("--job", "job_id", help="The archive of this job alone.")
@pass_session
def verify(session: Session, hypertable: str | None, job_id: str | None) -> int:
    """Have archives read again, and compared with their manifests.

    The next run of verify_archives does it; `archival findings` shows what is wrong.
    """
    if (hypertable is None) == (job_id is None):
        raise CommandError("which archives? Name a hypertable, or give --job", MISUSED)
    body = {"hypertable": session.names.hypertable(hypertable)} if hypertable else {"job_id": session.names.job(str(job_id))}
    answer = session.client.send("POST", "verifications", body=body, again=True)
    told = f"the next run of verify_archives reads {counted(answer['archives'], 'archive')}"
    session.output.told(answer, f"{told}; `archival findings` shows what is wrong")
    return 0


@click.command(cls=Command)
@pass_session
def findings(session: Session) -> int:
    """List what verification found wrong, the worst first. The exit code is 1 where there is something."""
    answer = session.client.get("verifications")
    session.output.show(answer, answer["findings"], FINDINGS, "every archive that was read is what was written")
    return REFUSED if answer["findings"] else 0
