"""The benchmark's table: like TSBS's `cpu`, where each host reports ten usages, random walks between 0 and 100 with normal
steps, every ten seconds. TSBS's generator cuts them to whole numbers, so that is the default; many agents report decimals,
which are harder to shrink."""

from __future__ import annotations

import psycopg

#: hosts × readings are rows; the walk of one host is as long as its readings
_HOSTS = 400
_USAGES = ["user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"]
#: Rows that are walked; a larger table repeats them at later times.
_WALKED = 3_000_000


def build(url: str, rows: int, decimals: int) -> str:
    """The partition with `rows` rows, built unless it is there; its name."""
    name = f"cpu_{rows}_{decimals}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema if not exists bench")
        if connection.execute("select 1 from pg_class where relname = %s and reltuples > 0", (name,)).fetchone():
            return f"bench.{name}_1"
        names = ["time", "tags_id", "hostname", *(f"usage_{usage}" for usage in _USAGES)]
        columns = ", ".join(f"{usage} double precision" for usage in names[3:])
        connection.execute(
            f"""
            drop table if exists bench.{name};
            create table bench.{name} (time timestamptz not null, tags_id integer, hostname text, {columns})
                partition by range (time);
            create table bench.{name}_1 partition of bench.{name} for values from ('2026-01-01') to ('2036-01-01');
            """.encode()
        )
        walked = min(rows, _WALKED)
        connection.execute(_fill(name, walked, decimals).encode())
        for start in range(walked, rows, walked):
            # later hours with the same walks
            connection.execute(
                f"""
                insert into bench.{name} select time + {start // _HOSTS} * interval '10 s', {", ".join(names[1:])}
                from bench.{name}_1
                where time < timestamptz '2026-01-01' + {min(walked, rows - start) // _HOSTS} * interval '10 s'
                """.encode()
            )
        connection.execute(f"create index on bench.{name} (tags_id, time desc)".encode())
        connection.execute(f"vacuum (analyze, freeze) bench.{name}".encode())
    return f"bench.{name}_1"


def _fill(name: str, rows: int, decimals: int) -> str:
    """SQL that inserts the walks, in the order of time, as a collector would."""
    starts = ", ".join(f"random() * 100 as s{i}" for i in range(len(_USAGES)))
    walks = ", ".join(f"s{i} + sum(random_normal()) over walk as w{i}" for i in range(len(_USAGES)))
    # a walk that leaves 0 to 100 is reflected back
    unit = 10**decimals
    usages = ", ".join(
        f"floor(abs(w{i} - 200 * floor(w{i} / 200) - 100) * {unit}) / {unit}::float8" for i in range(len(_USAGES))
    )
    return f"""
        select setseed(0.5);
        insert into bench.{name}
        select timestamptz '2026-01-01' + reading * interval '10 s', host, 'host_' || host, {usages}
        from (
            select host, reading, {walks}
            from (select host, {starts} from generate_series(1, {_HOSTS}) host) hosts,
                generate_series(0, {rows // _HOSTS - 1}) reading
            window walk as (partition by host order by reading)
        ) walked order by reading, host
        """
