"""OpenSM on ibsim's simulated switches and HCAs, cabled as the plan says.

topology     the cabling as data, and ibsim's net file
controller   the process that owns ibsim (`ibsim`) and OpenSM (`opensm`); `server` answers on a Unix socket
client       the client of that socket; standard library only
tools        infiniband-diags on the simulated fabric
service      runs the controller under `make lab`
"""
