// What has been: ends, what was not delivered, and the flight recorder.
import { useMemo, useState } from 'preact/hooks';
import { usePoll } from './api.js';
import { duration, exact, took } from './format.js';
import { Nothing, PidLink } from './parts.jsx';

const LANE = 34;
const WIDTH = 900;
const COLOURS = 5;

function ago(t_ms, now_ms) {
    return `${duration(Math.max(0, now_ms - t_ms))} ago`;
}

function Table({ caption, data, error, member, columns, counts }) {
    return (
        <section>
            <h2>{caption} {data && data.lost ? <span class="dim">{data.lost} older ones are gone</span> : null}</h2>
            {counts}
            {!data || !data.available || error ? <Nothing error={error} why={data && data.why} /> : null}
            {data && data.available && data[member].length === 0 ? <Nothing>None so far.</Nothing> : null}
            {data && data.available && data[member].length ? (
                <div class="scroll">
                    <table>
                        <thead><tr>{columns.map(([title, , wide]) => <th key={title} scope="col" class={wide}>{title}</th>)}</tr></thead>
                        <tbody>
                            {[...data[member]].reverse().map((row) => (
                                <tr key={row.seq}>{columns.map(([title, cell, wide]) => <td key={title} class={wide}>{cell(row)}</td>)}</tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            ) : null}
        </section>
    );
}

// Which kind of end it was, also without its colour.
const KIND_SIGNS = { killed: '☠', error: '✕', fault: '⚡', out_of_memory: '▣' };

function Reason({ row }) {
    return (
        <span class={`reason reason-${row.kind}`}>
            <span aria-hidden="true">{KIND_SIGNS[row.kind] || '·'}</span> {row.reason.startsWith(row.kind) ? row.reason : `${row.kind}: ${row.reason}`}
            {row.cause ? <span class="dim"> because of <code>{row.cause}</code></span> : null}
            {row.report ? <div class="report dim">Report: <code>{row.report}</code></div> : null}
        </span>
    );
}

// How many of each kind, from the program's beginning.
function Counts({ counts }) {
    const some = Object.entries(counts || {}).filter(([, value]) => value > 0);
    if (!some.length) return null;
    return <p class="counts">{some.map(([kind, value]) => <span class="chip" key={kind}>{exact(value)} {kind}</span>)}</p>;
}

// Not delivered, by operation and reason.
function LetterCounts({ counts }) {
    const known = (counts || []).flatMap(({ operation, ...reasons }) =>
        Object.entries(reasons).filter(([, value]) => value > 0).map(([reason, value]) => ({ operation, reason, value })));
    if (!known.length) return null;
    known.sort((a, b) => b.value - a.value);
    return (
        <p class="counts">
            {known.slice(0, 12).map(({ operation, reason, value }) => (
                <span class="chip" key={`${operation} ${reason}`}>{exact(value)} × {operation}: {reason}</span>
            ))}
        </p>
    );
}

export function Exits({ overview }) {
    const exits = usePoll('/api/exits?limit=200', 900);
    const letters = usePoll('/api/dead-letters?limit=200', 900);
    const now = overview ? overview.t_ms : 0;
    return (
        <>
            <h1>Exits and dead letters</h1>
            <p class="dim">Processes whose end was not normal, and messages that were not delivered; the newest first.</p>
            <Table caption="Exits" member="exits" {...exits} counts={<Counts counts={exits.data && exits.data.exit_counts} />} columns={[
                ['When', (row) => ago(row.t_ms, now)],
                ['Process', (row) => <><b>{row.name || row.label}</b>{row.name && row.label ? <span class="dim wide"> {row.label}</span> : null}</>],
                ['Pid', (row) => <code>{row.pid}</code>, 'wide'],
                ['Reason', (row) => <Reason row={row} />, 'told'],
                ['Lived', (row) => (row.age_ms === undefined ? '' : duration(row.age_ms)), 'wide'],
                ['Started again as', (row) => (row.restarted ? <PidLink pid={row.restarted} /> : <span class="dim">no</span>)],
            ]} />
            <Table caption="Dead letters" member="dead_letters" {...letters}
                counts={<LetterCounts counts={letters.data && letters.data.counts} />} columns={[
                ['When', (row) => ago(row.t_ms, now)],
                ['From', (row) => <PidLink pid={row.from} />, 'wide'],
                ['To', (row) => <code>{row.to}</code>],
                ['Operation', (row) => row.operation],
                ['Reason', (row) => row.reason],
            ]} />
        </>
    );
}

// One lane for each thread that runs processes; what took time is a bar, the rest a mark.
function Lanes({ events }) {
    const workers = [...new Set(events.map((event) => event.worker))].sort((a, b) => a - b);
    const kinds = [...new Set(events.map((event) => event.kind))];
    const first = Math.min(...events.map((event) => event.t_ms));
    const span = Math.max(0.001, Math.max(...events.map((event) => event.t_ms + (event.duration_us || 0) / 1000)) - first);
    const x = (t) => ((t - first) / span) * WIDTH;
    return (
        <div class="scroll drawing">
            <svg class="lanes" viewBox={`-90 0 ${WIDTH + 100} ${workers.length * LANE + 24}`} role="img"
                aria-label={`${events.length} events of ${workers.length} threads in ${duration(span)}`}>
                {workers.map((worker, lane) => (
                    <g key={worker} transform={`translate(0,${lane * LANE})`}>
                        <text x={-84} y={LANE / 2 + 4}>thread {worker}</text>
                        <line x1={0} x2={WIDTH} y1={LANE - 4} y2={LANE - 4} class="branch" />
                        {events.filter((event) => event.worker === worker).map((event) => (
                            <rect key={event.seq} x={x(event.t_ms)} y={6} height={LANE - 12} rx={1}
                                width={Math.max(2, x(event.t_ms + (event.duration_us || 0) / 1000) - x(event.t_ms))}
                                class={`event event-${kinds.indexOf(event.kind) % COLOURS}`}>
                                <title>{`${event.kind} ${event.text || ''} ${event.pid || ''}`}</title>
                            </rect>
                        ))}
                    </g>
                ))}
                <text x={0} y={workers.length * LANE + 16} class="dim">0</text>
                <text x={WIDTH} y={workers.length * LANE + 16} class="dim" text-anchor="end">{duration(span)}</text>
            </svg>
        </div>
    );
}

export function Timeline({ overview }) {
    const { data, error } = usePoll('/api/events?limit=1000');
    const [kind, setKind] = useState('');
    const [held, setHeld] = useState(null);
    const events = held || (data && data.available ? data.events : null);
    const kinds = useMemo(() => (events ? [...new Set(events.map((event) => event.kind))].sort() : []), [events]);
    const chosen = events && events.filter((event) => !kind || event.kind === kind);
    const now = overview ? overview.t_ms : 0;
    return (
        <>
            <h1>Flight recorder</h1>
            {!events ? <Nothing error={error} why={data && data.why} /> : (
                <>
                    <div class="tools">
                        <select aria-label="Kind of event" value={kind} onChange={(event) => setKind(event.target.value)}>
                            <option value="">every kind</option>
                            {kinds.map((one) => <option key={one}>{one}</option>)}
                        </select>
                        <button type="button" aria-pressed={held !== null} onClick={() => setHeld(held ? null : events)}>
                            {held ? 'Go on' : 'Hold'}
                        </button>
                    </div>
                    {chosen.length ? <Lanes events={chosen} /> : <Nothing>No event so far.</Nothing>}
                    <Table caption="Events" member="events" data={{ available: true, events: chosen.slice(-200) }} columns={[
                        ['When', (row) => ago(row.t_ms, now)],
                        ['Worker', (row) => row.worker],
                        ['Kind', (row) => row.kind],
                        ['Process', (row) => <PidLink pid={row.pid} />],
                        ['What', (row) => row.text],
                        ['Took', (row) => took(row.duration_us)],
                    ]} />
                </>
            )}
        </>
    );
}
