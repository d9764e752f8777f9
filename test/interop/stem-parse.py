"""Parses documents with python3-stem, strictly. Standard input: JSON of [type, text] pairs; output: JSON of what was found."""
import io
import json
import sys

import stem.descriptor

found = []
for kind, text in json.load(sys.stdin):
    handler = stem.descriptor.DocumentHandler.DOCUMENT if 'network-status' in kind else stem.descriptor.DocumentHandler.ENTRIES
    try:
        parsed = list(stem.descriptor.parse_file(io.BytesIO(text.encode('latin-1')), kind, validate=True, document_handler=handler))
        entry = {'count': len(parsed), 'unrecognized': sum((one.get_unrecognized_lines() for one in parsed), [])}
        if 'network-status' in kind:
            entry['routers'] = [one.fingerprint for one in parsed[0].routers.values()]
            entry['flags'] = sorted({flag for one in parsed[0].routers.values() for flag in one.flags})
        elif kind.startswith(('server-descriptor', 'extra-info')):
            entry['fingerprints'] = [one.fingerprint for one in parsed]
            entry['digests'] = [one.digest() for one in parsed]
        found.append(entry)
    except Exception as error:
        found.append({'error': '%s: %s' % (type(error).__name__, error)})
json.dump(found, sys.stdout)
