"""Uses a node as a controller made for C tor does, and prints what it saw as JSON. Arguments: socket path, password."""

import json
import sys
import threading

import stem
import stem.connection
import stem.control

path, password = sys.argv[1:]
seen = {}

with stem.control.Controller.from_socket_file(path) as c:
    c.authenticate()  # safe cookie, by PROTOCOLINFO
    seen['version'] = str(c.get_version())
    seen['pid'] = c.get_pid()
    seen['alive'] = c.is_alive()
    seen['phase'] = c.get_info('status/bootstrap-phase')
    seen['socks'] = len(c.get_listeners(stem.control.Listener.SOCKS))
    seen['network_statuses'] = sorted(s.nickname for s in c.get_network_statuses())
    seen['microdescriptors'] = len(list(c.get_microdescriptors()))
    relays = list(c.get_network_statuses())
    seen['one_by_name'] = c.get_network_status(relays[0].nickname).fingerprint == relays[0].fingerprint
    seen['guards'] = len(c.get_info('entry-guards').splitlines())
    seen['config_text'] = 'ControlSocket %s' % path in c.get_info('config-text')

    for method, name in ((lambda k: stem.connection.authenticate_password(k, password), 'password'), (lambda k: stem.connection.authenticate_password(k, 'x' + password), 'wrong password')):
        with stem.control.Controller.from_socket_file(path) as k:
            try:
                method(k)
                seen[name] = True
            except stem.connection.AuthenticationFailure:
                seen[name] = False

    # Configuration: all or nothing.
    c.set_conf('MaxCircuitDirtiness', '20')
    seen['set_conf'] = c.get_conf('MaxCircuitDirtiness')
    c.reset_conf('MaxCircuitDirtiness')
    seen['reset_conf'] = c.get_conf('MaxCircuitDirtiness')
    for key, value in (('Bogus', '1'), ('SocksPort', 'nowhere'), ('DataDirectory', '/elsewhere')):
        try:
            c.set_conf(key, value)
            seen['refused ' + key] = False
        except stem.ControllerError as error:
            seen['refused ' + key] = type(error).__name__

    events = []
    got_bandwidth = threading.Event()

    def listen(event):
        events.append(type(event).__name__)
        if isinstance(event, stem.response.events.BandwidthEvent):
            got_bandwidth.set()

    c.add_event_listener(listen, 'CIRC', 'STREAM', 'ORCONN', 'BW', 'NOTICE', 'SIGNAL', 'CONF_CHANGED', 'STATUS_CLIENT', 'NEWCONSENSUS')
    circuit = c.new_circuit([s.fingerprint for s in relays[:3]], await_build=True, timeout=20)
    seen['circuit'] = [fingerprint for fingerprint, _ in c.get_circuit(circuit).path] == [s.fingerprint for s in relays[:3]]
    c.close_circuit(circuit)
    c.signal(stem.Signal.NEWNYM)
    c.set_conf('NewCircuitPeriod', '40')
    got_bandwidth.wait(10)
    seen['events'] = sorted(set(events))

print(json.dumps(seen))
