"""Mutation testing of what matters: faults put in on purpose, and the tests that should notice.

A mutant is a small change of ours that means something: a bound taken off, a check
dropped, an order turned round. It is *killed* when a test nearest to it fails, or when
these tests do not end in their time; it *survives* when they pass.

General layout::

    __main__        the command line: which mutants, what is written
    listed          what a mutant is, reading the lists, and whether each still applies
    tree_copy       the copy of the tree, and of the runtime image, that is changed
    trial           the tests nearest to a mutant, run against it
    table           what is printed, and written into ``docs/mutants.md``

The lists, one for each room, with the mutants of its modules alone: ``cell.toml``,
``cli.toml``, ``config.toml``, ``couriers.toml``, ``engine.toml``, ``gateway.toml``,
``model.toml``, ``sandbox.toml``, ``sharing.toml``, ``wire.toml``.

Nothing of Vibecell imports it. It borrows one program of the benchmark, the topmost
process (``bench/reaper.py``), so that nothing which tests start outlives them.
"""
