"""Commands sent to a Ray cluster as jobs, looked after from any machine that reaches its dashboard.

remote_commands.py  the commands that can be sent, and which of their arguments name files and folders
command_line.py     arguments read as the command itself reads them, and written again
arguments.py        local files renamed to where they will lie on the cluster
packing.py          the package that travels: this project's code, and those files
variables.py        environment variables that go along
address.py          where the cluster's dashboard is, and whether it is one
client.py           its jobs: submitted, listed, stopped, read
known_jobs.py       those of this project, by id or OUTPUT
job_progress.py     how far a job is, from its log
following.py        a job's log until it ends, over lost connections
"""
