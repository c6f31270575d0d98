// Links and who waits for whom. A cycle of waits is a deadlock.
import { useMemo, useRef, useState } from 'preact/hooks';
import { forceCenter, forceCollide, forceLink, forceManyBody, forceSimulation } from 'd3-force';
import { usePoll } from './api.js';
import { duration } from './format.js';
import { Nothing, PidLink, short, titleOf } from './parts.jsx';

const NODES_MAX = 300; // more are a ball of wool
const STEPS = 120;
const SIZE = 640;
const MARGIN = 30;
const LABEL = 170; // room for the rightmost name
const NAME_MAX = 24;

// Those that have an edge, in cycles first.
function visible(data, kinds) {
    const edges = data.edges.filter((edge) => kinds.has(edge.kind));
    const stuck = new Set(data.cycles.flat());
    const ends = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
    const known = new Map(data.nodes.map((node) => [node.pid, node]));
    const pids = [...ends].sort((a, b) => stuck.has(b) - stuck.has(a)).slice(0, NODES_MAX);
    const kept = new Set(pids);
    return {
        left_out: ends.size - pids.length,
        nodes: pids.map((pid) => ({ pid, ...(known.get(pid) || { label: pid }), stuck: stuck.has(pid) })),
        edges: edges.filter((edge) => kept.has(edge.from) && kept.has(edge.to)),
    };
}

// Where each is; those that were there before begin where they were, so that nothing jumps.
function layout(graph, before) {
    const nodes = graph.nodes.map((node) => ({ ...node, ...before.get(node.pid) }));
    const links = graph.edges.map((edge) => ({ ...edge, source: edge.from, target: edge.to }));
    const fresh = nodes.some((node) => !before.has(node.pid));
    const simulation = forceSimulation(nodes)
        .force('link', forceLink(links).id((node) => node.pid).distance(90))
        .force('charge', forceManyBody().strength(-260))
        .force('collide', forceCollide(30))
        .force('center', forceCenter(SIZE / 2, SIZE / 3))
        .stop();
    simulation.tick(fresh ? STEPS : 0);
    before.clear();
    for (const node of nodes) before.set(node.pid, { x: node.x, y: node.y });
    return { nodes, links };
}

function inCycle(cycles, edge) {
    return edge.kind === 'wait' && cycles.some((cycle) =>
        cycle.some((pid, i) => pid === edge.from && cycle[(i + 1) % cycle.length] === edge.to));
}

function Cycles({ data }) {
    const name = (pid) => {
        const node = data.nodes.find((one) => one.pid === pid);
        return node ? titleOf(node) : pid;
    };
    if (!data.cycles.length) return <p class="fine">✓ No cycle: nobody waits in a circle.</p>;
    return (
        <div class="deadlock" role="alert">
            {data.cycles.map((cycle) => (
                <p key={cycle.join()}>
                    ⚠ Deadlock: {cycle.map((pid) => <span key={pid}><PidLink pid={pid}>{name(pid)}</PidLink> → </span>)}
                    <PidLink pid={cycle[0]}>{name(cycle[0])}</PidLink>
                </p>
            ))}
        </div>
    );
}

const WAITS_MAX = 100;

// Who waits, the longest first, in words.
function Waits({ data }) {
    const name = new Map(data.nodes.map((node) => [node.pid, titleOf(node)]));
    const waits = data.edges.filter((edge) => edge.kind === 'wait').sort((a, b) => (b.for_ms || 0) - (a.for_ms || 0));
    if (!waits.length) return null;
    return (
        <section>
            <h2>Who waits <span class="dim">{waits.length > WAITS_MAX ? `the longest ${WAITS_MAX} of ${waits.length}` : waits.length}</span></h2>
            <div class="scroll">
                <table class="waits">
                    <thead><tr><th scope="col">Process</th><th scope="col">waits for</th><th scope="col">What</th><th scope="col" class="number">For</th></tr></thead>
                    <tbody>
                        {waits.slice(0, WAITS_MAX).map((edge) => (
                            <tr key={`${edge.from}${edge.to}`}>
                                <td><PidLink pid={edge.from}>{name.get(edge.from) || edge.from}</PidLink></td>
                                <td><PidLink pid={edge.to}>{name.get(edge.to) || edge.to}</PidLink></td>
                                <td>{edge.wait}{edge.operation && edge.operation !== edge.wait ? ` ${edge.operation}` : ''}{edge.deferred ? ', taken' : ''}</td>
                                <td class="number">{duration(edge.for_ms)}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
        </section>
    );
}

const KINDS = [['wait', 'waits for'], ['link', 'linked'], ['monitor', 'monitors']];

export function Graph() {
    const { data, error } = usePoll('/api/graph?limit=2000');
    const [kinds, setKinds] = useState(new Set(['wait', 'link']));
    const places = useRef(new Map());
    const drawn = useMemo(() => {
        if (!data || !data.available) return null;
        const graph = visible(data, kinds);
        return { ...graph, ...layout(graph, places.current) };
    }, [data, kinds]);
    if (!drawn) return <Nothing error={error} why={data && data.why} />;
    const xs = drawn.nodes.map((node) => node.x);
    const ys = drawn.nodes.map((node) => node.y);
    const tight = Math.max(...xs) - Math.min(...xs) + MARGIN + LABEL;
    const width = Math.max(SIZE, tight); // few are not drawn larger than life
    const left = Math.min(...xs) - MARGIN - (width - tight) / 2;
    const top = Math.min(...ys) - MARGIN;
    const height = Math.max(...ys) - top + MARGIN;
    const toggle = (kind) => setKinds(new Set(kinds.has(kind) ? [...kinds].filter((k) => k !== kind) : [...kinds, kind]));
    return (
        <>
            <h1>Links and waits</h1>
            <div class="tools">
                {KINDS.map(([kind, text]) => (
                    <label key={kind}>
                        <input type="checkbox" checked={kinds.has(kind)} onChange={() => toggle(kind)} />
                        <svg class="key" viewBox="0 0 30 8" aria-hidden="true"><path class={`edge edge-${kind}`} d="M0 4H30" /></svg> {text}
                    </label>
                ))}
                <span class="dim">
                    {drawn.nodes.length} processes, {drawn.edges.length} edges
                    {drawn.left_out ? `; ${drawn.left_out} processes are left out` : ''}
                    {data.truncated ? '; not all processes' : ''}
                </span>
            </div>
            {error ? <Nothing error={error} /> : null}
            <Cycles data={data} />
            {drawn.nodes.length === 0 ? <Nothing>No edge of this kind at this moment.</Nothing> : (
                <div class="scroll drawing">
                    <svg class="graph" viewBox={`${left} ${top} ${width} ${height}`} role="img"
                        aria-label={`Graph of ${drawn.nodes.length} processes`}>
                        <defs>
                            <marker id="arrow" viewBox="0 0 10 10" refX="17" refY="5" markerUnits="userSpaceOnUse" markerWidth="11" markerHeight="11" orient="auto-start-reverse">
                                <path d="M0 0L10 5L0 10z" class="arrow" />
                            </marker>
                        </defs>
                        {drawn.links.map((edge) => (
                            <line key={`${edge.kind}${edge.from}${edge.to}`} x1={edge.source.x} y1={edge.source.y} x2={edge.target.x} y2={edge.target.y}
                                class={`edge edge-${edge.kind} ${inCycle(data.cycles, edge) ? 'edge-stuck' : ''}`}
                                marker-end={edge.kind === 'link' ? undefined : 'url(#arrow)'} />
                        ))}
                        {drawn.nodes.map((node) => (
                            <a key={node.pid} href={`#/process/${node.pid}`} class={node.stuck ? 'stuck' : ''}>
                                <circle cx={node.x} cy={node.y} r={7} class={`dot status-${node.status}`} />
                                <text x={node.x + 11} y={node.y + 4}>{short(titleOf(node), NAME_MAX)}<title>{titleOf(node)}</title></text>
                            </a>
                        ))}
                    </svg>
                </div>
            )}
            <Waits data={data} />
        </>
    );
}
