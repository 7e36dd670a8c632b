"""Serve keystone or placement with waitress: pure Python, one process, native threads. Arguments: name, port."""

import sys

import waitress

name, port = sys.argv[1], int(sys.argv[2])
sys.argv = [name]  # the applications read the command line
if name == "keystone":
    from keystone.server import wsgi

    application = wsgi.initialize_public_application()
else:
    from placement import wsgi

    application = wsgi.init_application()
waitress.serve(application, listen=f"127.0.0.1:{port}", threads=8, _quiet=True)
