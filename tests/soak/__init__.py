"""Two functions hosts on one stack for minutes: killed, paused and started again while people write, ask and take back.

    make soak                                   # ten minutes
    make soak ARGS="--seconds 60 --seed 7"      # shorter, and other dice

Unlike the runs of `tests/faults`, nothing here waits for anything: hosts, writers and trouble go on side by side, and no run
can be had again. At the end the trouble is over, the hosts finish what was asked, and the `checker` counts every row.
"""
