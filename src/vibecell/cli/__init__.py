"""The ``vibecell`` command: composition, supervision, and what a person asks.

main.py         the words of the command, and their options
composition/    the one place that names concrete classes
serve.py        vibecell serve: the whole service
service_manager.py  what systemd is told, where it started us
supervisor.py   keeps engine, gateway and courier alive
children.py     the two processes, seen from both sides
listening.py    the sockets that they listen on
complaints.py   lines for a person, which hold up nobody
log_lines.py    the log of each process: its lines, for programs or for people
privileges.py   how a process becomes a user without rights
gateway_user.py the same for what the gateway's user alone may read: keys, and the audit of them
key_words.py    vibecell keys: made, listed, revoked, rotated
key_options.py  what is said of a key on the command line
audit_words.py  vibecell audit: who did what, out of both files
audit_options.py  what is asked of it on the command line
audit_table.py  acts as lines for programs and rows for people
audited_commands.py  what commands do to keys, noted there
run.py          vibecell run: a program as if it ran here
shown_files.py  what it displays, at a terminal and in files
terminal.py     this side's terminal
trace.py        vibecell trace: where the time of a request goes
trace_table.py  from moments to a table
report.py       vibecell doctor, languages, prepare
images.py       vibecell images: of containers
docker_sdk.py   whether the extra for containers is installed
"""
