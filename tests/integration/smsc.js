// tests/integration/smsc.js MODULES PORT DIR: an SMSC made of npm's smpp, not by those who wrote ours. It takes system id bsm with password secret,
// answers what DIR/answers says (a decimal status a line, used up; then 0), says each PDU in a line of JSON, and delivers to the phones:
// user data as files of DIR/sms.
'use strict';
const fs = require('fs');
const path = require('path');
const [, , modules, port, dir] = process.argv;
const smpp = require(path.join(modules, 'smpp'));
let delivered = 0;

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');

function status() {
	const file = path.join(dir, 'answers');
	let lines;
	try {
		lines = fs.readFileSync(file, 'utf8').split('\n').filter((l) => l !== '');
	} catch (e) {
		return 0;
	}
	const first = lines.shift();
	fs.writeFileSync(file, lines.map((l) => l + '\n').join(''));
	return first === undefined ? 0 : Number(first);
}

function deliver(to, octets) {
	const name = path.join(dir, 'sms', `${to}-${process.pid}${String(++delivered).padStart(6, '0')}-1`);
	fs.writeFileSync(name + '.part', octets);
	fs.renameSync(name + '.part', name + '.sms');
}

// The SMSC's part of data_sm: what does not fit one short message is parted, with a reference of its own.
function part(pdu, push) {
	const ports = Buffer.from([5, 4, pdu.dest_port >> 8, pdu.dest_port & 255, pdu.source_port >> 8, pdu.source_port & 255]);
	if (push.length <= 133) {
		deliver(pdu.destination_addr, Buffer.concat([Buffer.from([6]), ports, push]));
		return;
	}
	const n = Math.ceil(push.length / 128);
	const reference = delivered & 255;
	for (let i = 0; i < n; i++)
		deliver(pdu.destination_addr, Buffer.concat([Buffer.from([11]), ports, Buffer.from([0, 3, reference, n, i + 1]), push.subarray(128 * i, 128 * i + 128)]));
}

const octetsOf = (m) => Buffer.isBuffer(m) ? m : m && m.message ? m.message : Buffer.from(m || '', 'latin1');

function submitted(session, pdu) {
	const answer = status();
	const udh = pdu.short_message && pdu.short_message.udh ? Buffer.concat(pdu.short_message.udh) : Buffer.alloc(0);
	const message = pdu.command === 'data_sm' ? octetsOf(pdu.message_payload) : octetsOf(pdu.short_message);
	say({ pdu: pdu.command, from: pdu.source_addr, to: pdu.destination_addr, ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi, esm_class: pdu.esm_class,
		data_coding: pdu.data_coding, udh: udh.toString('hex'), message: message.toString('hex'), source_port: pdu.source_port,
		destination_port: pdu.dest_port, status: answer });
	session.send(pdu.response(answer ? { command_status: answer } : { message_id: String(delivered) }));
	if (answer)
		return;
	if (pdu.command === 'data_sm')
		part(pdu, message);
	else
		deliver(pdu.destination_addr, Buffer.concat([Buffer.from([udh.length]), udh, message]));
}

const server = smpp.createServer({}, (session) => {
	session.on('bind_transmitter', (pdu) => {
		const right = pdu.system_id === 'bsm' && pdu.password === 'secret';
		say({ pdu: pdu.command, system_id: pdu.system_id, right, version: pdu.interface_version });
		session.send(pdu.response({ command_status: right ? 0 : 0x0e, system_id: 'smsc' }));
		if (right)
			session.enquire_link({}, (answer) => say({ pdu: answer.command, status: answer.command_status }));
	});
	session.on('submit_sm', (pdu) => submitted(session, pdu));
	session.on('data_sm', (pdu) => submitted(session, pdu));
	session.on('enquire_link', (pdu) => session.send(pdu.response()));
	session.on('unbind', (pdu) => {
		say({ pdu: pdu.command });
		session.send(pdu.response());
		session.close();
	});
	session.on('error', (e) => say({ error: String(e) }));
	session.on('unknown', (pdu) => say({ error: 'unknown', pdu: pdu.command }));
});
server.on('error', (e) => {
	say({ error: String(e) });
	process.exit(1);
});
server.listen(Number(port), '127.0.0.1', () => say({ listening: Number(port) }));
