"""The benchmark: what a sealed run costs beside an unsealed one, in ratios of one run.

General layout::

    __main__        the command line: which cases, how long, what is written
    guard           the short benchmark of continuous integration
    case            what a case is, and finding them in ``cases/``
    cases/          one case, one small file
    against         another checkout beside this one
    contender       a service that is measured
    rounds          contenders taken in turns, and what each of them cost
    generator       the load generator: a program of its own, standard library only
    drive           starting it, and believing nothing it calls wrong
    load/           many users at once: is it right, fair, and as large as before
    websocket       a WebSocket client that costs little
    reference       the service most people write, started and stopped
    reference_service, ways     that service itself, and what it may run programs with
    vibecell_service            Vibecell, started as a person starts it
    docker_engine, docker_base  a Docker engine of our own, and an image that needs no registry
    docker_image    the runtime image on that, and where it is kept between runs
    rest, leftovers             what a service still has open, and what it leaves behind
    containers, docker_run      services over that engine, and what they are compared with
    account, processes          processor time and memory, of cgroups and of processes
    reaper          the topmost process of a contender
    statistics, rows, machine, report     numbers, lines of the table, where, and the writing
    flame           the command that draws what processes are busy with
    flame_record, flame_svg     its samples, and its pictures

Nothing of Vibecell imports it.
"""
