// The process table: a page of it at a time, however many there are.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { usePoll } from './api.js';
import { bytes, count, duration, exact } from './format.js';
import { Nothing, PidLink, Status, titleOf } from './parts.jsx';

const PAGE = 100;
const SORTED_MAX = 10000; // rows that can be reached in an order other than the table's

const COLUMNS = [
    { id: 'pid', title: 'Pid', cell: (p) => <PidLink pid={p.pid} /> },
    { id: 'name', title: 'Name', cell: (p) => <b>{titleOf(p)}</b> },
    { id: null, title: 'Type', wide: true, cell: (p) => <span class="dim">{p.label}</span> },
    { id: null, title: 'State', cell: (p) => <Status of={p.status} /> },
    { id: 'mailbox', title: 'Mailbox', number: true, cell: (p) => exact(p.mailbox) },
    { id: 'handled', title: 'Handled', number: true, cell: (p) => count(p.handled) },
    { id: 'busy', title: 'Busy', number: true, wide: true, cell: (p) => (p.busy_ms ? duration(p.busy_ms) : '') },
    { id: 'handling', title: 'At one call', number: true, wide: true, cell: (p) => (p.handling_ms ? duration(p.handling_ms) : '') },
    { id: 'memory', title: 'Memory', number: true, wide: true, cell: (p) => bytes(p.memory) },
    { id: 'links', title: 'Links', number: true, wide: true, cell: (p) => exact(p.links) },
    { id: 'uptime', title: 'Up', number: true, wide: true, cell: (p) => duration(p.uptime_ms) },
];

const firstOrder = (sort) => (sort === 'pid' || sort === 'name' ? 'asc' : 'desc');

function Head({ view, onSort }) {
    return (
        <tr>
            {COLUMNS.map((column) => {
                const sorted = column.id === view.sort;
                const aria = sorted ? (view.order === 'asc' ? 'ascending' : 'descending') : undefined;
                return (
                    <th key={column.title} scope="col" aria-sort={aria}
                        class={`${column.number ? 'number' : ''} ${column.wide ? 'wide' : ''}`}>
                        {column.id ? (
                            <button type="button" onClick={() => onSort(column.id)}>
                                {column.title}
                                <span aria-hidden="true">{sorted ? (view.order === 'asc' ? ' ▲' : ' ▼') : ''}</span>
                            </button>
                        ) : (
                            column.title
                        )}
                    </th>
                );
            })}
        </tr>
    );
}

// Up and down go from row to row, Enter opens one.
function onRowKey(event, pid) {
    const row = event.currentTarget;
    const go = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (go) {
        go.focus();
        event.preventDefault();
    } else if (event.key === 'Enter') {
        location.hash = `#/process/${pid}`;
    }
}

function Row({ process }) {
    return (
        <tr tabIndex={0} data-pid={process.pid} onKeyDown={(event) => onRowKey(event, process.pid)}
            onClick={() => (location.hash = `#/process/${process.pid}`)}>
            {COLUMNS.map((column) => (
                <td key={column.title} class={`${column.number ? 'number' : ''} ${column.wide ? 'wide' : ''}`}>
                    {column.cell(process)}
                </td>
            ))}
        </tr>
    );
}

function Pager({ view, data, onMove }) {
    const end = view.sort === 'pid' ? data.matched : Math.min(data.matched, SORTED_MAX);
    const to = data.offset + data.processes.length;
    const lastPage = Math.max(0, Math.floor((end - 1) / PAGE) * PAGE);
    return (
        <div class="pager">
            <button type="button" disabled={view.offset === 0} onClick={() => onMove(0)} aria-label="First page">«</button>
            <button type="button" disabled={view.offset === 0} onClick={() => onMove(view.offset - PAGE)}>Previous</button>
            <span class="range">
                {data.matched ? `${exact(data.offset + 1)}–${exact(to)}` : '0'} of {exact(data.matched)}
            </span>
            <button type="button" disabled={view.offset >= lastPage} onClick={() => onMove(view.offset + PAGE)}>Next</button>
            <button type="button" disabled={view.offset >= lastPage} onClick={() => onMove(lastPage)} aria-label="Last page">»</button>
            {end < data.matched ? (
                <span class="dim">sorted, the first {exact(SORTED_MAX)} can be reached: search, or sort by pid</span>
            ) : null}
        </div>
    );
}

const INITIAL = { sort: 'mailbox', order: 'desc', offset: 0, search: '', status: '', kind: '' };
const STATES = ['running', 'runnable', 'idle', 'waiting', 'exiting', 'suspended'];
const KINDS = ['plain', 'server', 'statem', 'supervisor', 'task', 'thread'];
let remembered = INITIAL; // when one comes back to the page

function Choice({ name, any, words, value, onChange }) {
    return (
        <select aria-label={name} value={value} onChange={(event) => onChange(event.target.value)}>
            <option value="">{any}</option>
            {words.map((word) => <option key={word} value={word}>{word}</option>)}
        </select>
    );
}

// `parent`: only those that it started.
export function Processes({ parent }) {
    const [view, setView] = useState(remembered);
    const search = useRef(null);
    remembered = view;
    const change = (what) => setView((before) => ({ ...before, offset: 0, ...what }));
    const sortBy = (sort) =>
        change({ sort, order: sort !== view.sort ? firstOrder(sort) : view.order === 'asc' ? 'desc' : 'asc' });
    const query = new URLSearchParams({ sort: view.sort, order: view.order, offset: view.offset, limit: PAGE });
    if (view.search) query.set('search', view.search);
    if (view.status) query.set('status', view.status);
    if (view.kind) query.set('kind', view.kind);
    if (parent) query.set('parent', parent);
    const { data, error } = usePoll(`/api/processes?${query}`);

    // With the field itself: a key that is pressed as soon as it is seen is not lost.
    useLayoutEffect(() => {
        const slash = (event) => {
            if (event.key !== '/' || event.target.tagName === 'INPUT') return;
            event.preventDefault();
            search.current.focus();
        };
        document.addEventListener('keydown', slash);
        return () => document.removeEventListener('keydown', slash);
    }, []);

    return (
        <>
            <h1>Processes</h1>
            <div class="tools">
                <input ref={search} type="search" placeholder="Name, type or pid ( / )" aria-label="Search processes"
                    maxLength={64} value={view.search} onInput={(event) => change({ search: event.target.value })} />
                <Choice name="State" any="every state" words={STATES} value={view.status} onChange={(status) => change({ status })} />
                <Choice name="Kind" any="every kind" words={KINDS} value={view.kind} onChange={(kind) => change({ kind })} />
                {parent ? (
                    <span class="chip">started by <PidLink pid={parent} /> <a href="#/processes" aria-label="Show all processes">✕</a></span>
                ) : null}
                {data ? <Pager view={view} data={data} onMove={(offset) => setView({ ...view, offset: Math.max(0, offset) })} /> : null}
            </div>
            {error ? <Nothing error={error} /> : null}
            {data ? (
                <div class="scroll">
                    <table class="processes">
                        <thead><Head view={view} onSort={sortBy} /></thead>
                        <tbody>{data.processes.map((process) => <Row key={process.pid} process={process} />)}</tbody>
                    </table>
                    {data.matched === 0 ? <Nothing>No process matches.</Nothing> : null}
                </div>
            ) : error ? null : <Nothing />}
        </>
    );
}
