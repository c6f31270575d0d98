// One process: its state, whom it is tied to, and its end, if one may ask for it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, post, usePoll } from './api.js';
import { bytes, duration, exact, took } from './format.js';
import { Facts, Nothing, PidLink, Status, titleOf } from './parts.jsx';

const LIST_MAX = 100; // the program tells no more
const LISTS = [
    ['linked', 'Linked with'],
    ['watching', 'Monitors'],
    ['watched_by', 'Monitored by'],
];

// The process that took over the name of one that is gone: its supervisor started it again.
function useSuccessor(known, gone) {
    const [successor, setSuccessor] = useState(null);
    useEffect(() => {
        setSuccessor(null);
        if (!gone || !known || !known.name) return undefined;
        let timer = 0;
        const look = async () => {
            const query = new URLSearchParams({ search: known.name, limit: 100 });
            const answer = await get(`/api/processes?${query}`).catch(() => null);
            const found = answer && answer.processes.find((p) => p.name === known.name && p.pid !== known.pid);
            if (found) setSuccessor(found.pid);
            else timer = setTimeout(look, 500);
        };
        look();
        return () => clearTimeout(timer);
    }, [known && known.pid, gone]);
    return successor;
}

function Kill({ process, control, self }) {
    const [asked, setAsked] = useState(false);
    const [result, setResult] = useState(null);
    if (!control) return <p class="dim">This endpoint only looks (its option “control” is off).</p>;
    if (process.pid === self) return <p class="dim">This is the endpoint's own thread.</p>;
    const kill = () =>
        post(`/api/processes/${process.pid}/kill`).then(
            () => setResult('The signal is sent.'),
            (error) => setResult(error.message),
        );
    return (
        <div class="kill">
            {asked ? (
                <>
                    <span>Kill {titleOf(process)}?</span>
                    <button type="button" class="danger" onClick={kill}>Kill it</button>
                    <button type="button" onClick={() => setAsked(false)}>Leave it</button>
                </>
            ) : (
                <button type="button" class="danger" onClick={() => setAsked(true)}>Kill…</button>
            )}
            <span role="status">{result}</span>
        </div>
    );
}

// A server held, or looked into: docs/sys.md. Other processes refuse, and say why.
function Server({ process, control }) {
    const [said, setSaid] = useState(null);
    const [state, setState] = useState(null);
    const held = process.status === 'suspended';
    const act = (what) =>
        post(`/api/processes/${process.pid}/${what}`).then(
            () => setSaid(what === 'suspend' ? 'Its messages wait.' : 'It goes on.'),
            (error) => setSaid(error.message),
        );
    const look = () =>
        get(`/api/processes/${process.pid}/state`).then(
            (answer) => { setState(answer.state); setSaid(null); },
            (error) => setSaid(error.message),
        );
    return (
        <div class="server">
            <button type="button" onClick={look}>State</button>
            {control ? <button type="button" onClick={() => act(held ? 'resume' : 'suspend')}>{held ? 'Resume' : 'Suspend'}</button> : null}
            <span role="status">{said}</span>
            {state === null ? null : <pre class="state">{state}</pre>}
        </div>
    );
}

function PidList({ title, pids, names, total, all }) {
    const more = total === undefined && pids.length === LIST_MAX;
    return (
        <section class="list">
            <h2>{title} <span class="dim">{exact(total || pids.length)}{more ? ' or more' : ''}</span> {all}</h2>
            {pids.length === 0 ? <p class="empty">None.</p> : null}
            <ul>{pids.map((pid) => <li key={pid}><PidLink pid={pid} names={names} /></li>)}</ul>
        </section>
    );
}

// What a process does, as a line of its last looks: the length of its mailbox.
function useMailboxes(process) {
    const [seen, setSeen] = useState([]);
    useEffect(() => setSeen([]), [process && process.pid]);
    useEffect(() => {
        if (process) setSeen((before) => [...before, { at: process.uptime_ms, mailbox: process.mailbox, handled: process.handled }].slice(-60));
    }, [process && process.uptime_ms]);
    return seen;
}

function Spark({ values, label }) {
    const max = Math.max(1, ...values);
    const points = values.map((value, i) => `${(i * 240) / Math.max(1, values.length - 1)},${48 - (value / max) * 44}`);
    return (
        <svg class="spark" viewBox="0 0 240 50" preserveAspectRatio="none" role="img" aria-label={`${label}: ${values[values.length - 1]}`}>
            <polyline points={points.join(' ')} />
        </svg>
    );
}

const TRACE_MAX = 200;
const TRACE_MS = 900;

// What it did, and what was done to it, as the flight recorder has it; kept while one looks.
function Trace({ pid }) {
    const kept = useRef({ last: 0, events: [] });
    const [held, setHeld] = useState(null);
    const ask = async (path, signal) => {
        const answer = await get(`${path}&since=${kept.current.last}`, signal);
        if (!answer.available) return answer;
        const events = kept.current.events.concat(answer.events).slice(-TRACE_MAX);
        kept.current = { last: answer.last, events };
        return { available: true, events };
    };
    const { data, error } = usePoll(`/api/events?process=${pid}&limit=${TRACE_MAX}`, TRACE_MS, ask);
    const events = held || (data && data.available ? data.events : null);
    return (
        <section class="trace" aria-label="Live trace">
            <h2>Live trace <span class="dim">the last {TRACE_MAX} events, the newest first</span></h2>
            {!events ? <Nothing error={error} why={data && data.why} /> : (
                <>
                    <button type="button" aria-pressed={held !== null} onClick={() => setHeld(held ? null : events)}>
                        {held ? 'Go on' : 'Hold'}
                    </button>
                    {events.length === 0 ? <Nothing>Nothing since one looks.</Nothing> : (
                        <div class="scroll short">
                            <table>
                                <thead><tr><th scope="col">At</th><th scope="col">Kind</th><th scope="col">Who</th><th scope="col">What</th><th scope="col" class="number">Took</th></tr></thead>
                                <tbody>
                                    {[...events].reverse().map((event) => (
                                        <tr key={event.seq}>
                                            <td>{(event.t_ms / 1000).toFixed(6)}</td>
                                            <td>{event.kind}</td>
                                            <td>{event.pid === pid ? 'it' : <PidLink pid={event.pid} />}</td>
                                            <td>{event.text}</td>
                                            <td class="number">{took(event.duration_us)}</td>
                                        </tr>
                                    ))}
                                </tbody>
                            </table>
                        </div>
                    )}
                </>
            )}
        </section>
    );
}

const MESSAGES_MAX = 1000; // the node keeps no more

// The messages a server takes, from when one asks: docs/sys.md.
function Messages({ pid }) {
    const [run, setRun] = useState(0); // which trace it is; 0: none was asked for
    const [said, setSaid] = useState(null);
    const begin = () =>
        post(`/api/processes/${pid}/trace?limit=${MESSAGES_MAX / 2}`).then(
            () => { setSaid(null); setRun((before) => before + 1); },
            (error) => setSaid(error.message),
        );
    return (
        <section class="messages" aria-label="Messages">
            <h2>Messages <span class="dim">the next {MESSAGES_MAX / 2}, and what their handlers returned</span></h2>
            <button type="button" onClick={begin}>{run ? 'Again' : 'Trace'}</button>
            <span role="status">{said}</span>
            {run ? <MessagesTaken key={run} pid={pid} /> : null}
        </section>
    );
}

function MessagesTaken({ pid }) {
    const kept = useRef({ last: 0, events: [] });
    const ask = async (path, signal) => {
        const answer = await get(`${path}&since=${kept.current.last}`, signal);
        kept.current = { last: answer.last, events: kept.current.events.concat(answer.events).slice(-MESSAGES_MAX) };
        return { ...answer, events: kept.current.events };
    };
    const { data, error } = usePoll(`/api/processes/${pid}/messages?limit=${MESSAGES_MAX}`, TRACE_MS, ask);
    if (!data || error) return <Nothing error={error} />;
    if (data.events.length === 0) return <Nothing>{data.on ? 'Nothing has come yet.' : 'Nothing came.'}</Nothing>;
    return (
        <>
            <p class="dim">{data.on ? 'It goes on.' : 'That was all.'} {data.lost ? `${exact(data.lost)} were lost.` : ''}</p>
            <div class="scroll short">
                <table>
                    <thead><tr><th scope="col" class="number">No.</th><th scope="col">Was</th><th scope="col">What</th><th scope="col">From</th><th scope="col">Result</th><th scope="col" class="number">Took</th></tr></thead>
                    <tbody>
                        {[...data.events].reverse().map((event) => (
                            <tr key={event.seq}>
                                <td class="number">{event.number || ''}</td>
                                <td>{event.what}</td>
                                <td>{event.operation}{event.call ? ' (call)' : ''}</td>
                                <td><PidLink pid={event.from} /></td>
                                <td>{event.result}</td>
                                <td class="number">{took(event.took_us)}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
        </>
    );
}

export function Process({ pid, overview }) {
    const { data, error } = usePoll(`/api/processes/${pid}`);
    const known = data && data.pid === pid ? data : null;
    const gone = error && error.code === 'noproc';
    const successor = useSuccessor(known, gone);
    const seen = useMailboxes(known);
    if (!known) return <Nothing error={error} />;
    const rate = seen.slice(1).map((look, i) => {
        const ms = look.at - seen[i].at;
        return ms > 0 ? Math.round(((look.handled - seen[i].handled) * 1000) / ms) : 0;
    });
    return (
        <>
            <h1>{titleOf(known)} <code class="dim">{pid}</code></h1>
            {gone ? (
                <p class="gone" role="alert">
                    It has ended. {successor ? <>Its name is now <PidLink pid={successor}>{known.name} ({successor})</PidLink>.</> : null}
                </p>
            ) : null}
            {!gone && error ? <Nothing error={error} /> : null}
            <div class="columns">
                <Facts facts={[
                    ['State', <Status of={gone ? 'ended' : known.status} />],
                    ['Type', known.kind && known.kind !== known.label ? `${known.label} (${known.kind})` : known.label],
                    ['Waits for', <PidLink pid={known.waits_for} names={known.names} />],
                    ['Mailbox', `${exact(known.mailbox)} messages`],
                    ['Handled', `${exact(known.handled)} messages`],
                    known.busy_ms ? ['In handlers', duration(known.busy_ms)] : null,
                    ['Memory', bytes(known.memory)],
                    ['Up', duration(known.uptime_ms)],
                    ['Started by', <PidLink pid={known.parent} names={known.names} />],
                    known.supervisor ? ['Supervisor', <PidLink pid={known.supervisor} names={known.names} />] : null,
                    ['Traps exits', known.trap_exit ? 'yes' : 'no'],
                    ['Links, monitors, watchers', `${known.links}, ${known.monitors}, ${known.watchers}`],
                    known.operation ? ['Handling', `${known.operation} for ${duration(known.operation_ms)}`]
                        : known.handling_ms ? ['At one call', `for ${duration(known.handling_ms)}`] : null,
                    known.spawned_at ? ['Spawned at', known.spawned_at] : null,
                ]} />
                <section>
                    <h2>Mailbox <span class="dim">the last minute</span></h2>
                    <Spark label="Messages in the mailbox" values={seen.map((look) => look.mailbox)} />
                    <h2>Handled a second <span class="dim">{rate.length ? exact(rate[rate.length - 1]) : ''}</span></h2>
                    <Spark label="Messages handled a second" values={rate.length ? rate : [0]} />
                </section>
            </div>
            {gone || !known.kind || known.kind === 'plain' || known.kind === 'thread' || known.kind === 'task' ? null : (
                <Server key={known.pid} process={known} control={overview && overview.control} />
            )}
            {gone || !known.kind || known.kind === 'plain' || known.kind === 'thread' || known.kind === 'task' || !(overview && overview.control) ? null : (
                <Messages key={`m${known.pid}`} pid={known.pid} />
            )}
            {gone ? null : <Kill process={known} control={overview && overview.control} self={overview && overview.self} />}
            <div class="columns">
                {LISTS.map(([member, title]) => (known[member] ? <PidList key={member} title={title} pids={known[member]} names={known.names} /> : null))}
                {known.children ? (
                    <PidList title="Children" pids={known.children} names={known.names} total={known.children_total}
                        all={known.children_total ? <a href={`#/processes/of/${pid}`}>as a table</a> : null} />
                ) : null}
            </div>
            {gone ? null : <Trace key={pid} pid={pid} />}
        </>
    );
}
