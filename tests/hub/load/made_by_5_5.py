"""Make a hub's database as JupyterHub 5.5 has it, run by a Python with that version; print ada's token."""

import sys

from jupyterhub import __version__, orm, roles

assert __version__.startswith("5.5."), __version__
db = orm.new_session_factory(f"sqlite:///{sys.argv[1]}")()
roles.create_role(db, {"name": "user", "scopes": ["self"]})
user = orm.User(name="ada", admin=False)
db.add(user)
db.add(orm.Group(name="staff", users=[user], properties={"room": "12"}))
db.add(orm.Spawner(user=user, name="", state={"pid": 1}, user_options={"profile": "default"}))
db.add(orm.OAuthClient(identifier="jupyterhub", description="JupyterHub"))
roles.grant_role(db, user, "user")
db.commit()
print(user.new_api_token(note="from before"))
