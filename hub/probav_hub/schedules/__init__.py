"""Notebooks that run on a schedule, in servers of their own, whether or not their user is there.

`configured` adds the service to the hub; `service` is its program. It keeps schedules and runs (`store`),
knows when each is due (`moments`), starts a server for a run and asks it how it goes (`following`), and tells
users how runs ended (`pages`, `api`, `mail`, and `notice` on the hub's own pages). The notebook itself is run
by the user's server (`probav_kernels.scheduled`), so that the service never opens a home.
"""
