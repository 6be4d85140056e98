"""Many users at once: what a platform's users do to the service, for minutes, all of them.

General layout::

    __main__     the command: which phases, how long, what is written
    programs     what is run, and what must come of it
    plan         what each client does next: a program, a door, whether it stays
    doors        the four ways to have a program run, as a client sees them
    client       one user, in a thread: does what the plan says, and obeys refusals
    tally        what came of it all
    owners       the service, with a key for each owner
    phases       all owners at once, and what is asked of that
    fairness     equal owners beside one that floods and one that sleeps
    vitals       the size of gateway and engine, and how it grows
    leftovers    what is to be gone, while the service rests and after it has ended
    soak         one client's many executions, for the memory of it

Where ``bench/cases`` asks how fast, this asks whether it is right: no answer is
wrong, none is the platform's failure, nothing is left behind. It says nothing of other services.
"""
