// Who started whom, drawn: collapsible, and a restart flashes.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { hierarchy, tree as treeLayout } from 'd3-hierarchy';
import { usePoll } from './api.js';
import { exact } from './format.js';
import { Nothing, short, titleOf } from './parts.jsx';

const ROW = 30;
const OPEN_MAX = 24; // children shown before one asks for all
const ALIKE_MAX = 6; // more children of one kind without names are one group
const FLASH_MS = 2500;
const NAME_MAX = 22; // characters, where there is room
const CHARACTER = 7.2; // px
const DOT = 14; // px from the middle of a circle to its title
const GAP = 56; // px for the branches, where there is room
const GAP_MIN = 26;
const COLUMN_MIN = 92; // px: narrower columns say nothing, so that the drawing scrolls instead
const SIDE = 20; // px to the left of the root, and to the right of the last column
const ROOT = 'root';

const textOf = (node) => short(node.title, NAME_MAX) + (node.mailbox ? ` ${node.mailbox}  ` : '');

// Where each column begins: as wide as its titles, and all of them narrower where they would not fit.
function columnsOf(nodes, room) {
    const wide = [];
    for (const at of nodes) wide[at.depth] = Math.max(wide[at.depth] || 0, DOT + GAP + CHARACTER * textOf(at.data).length);
    const last = wide.length - 1;
    wide[last] -= GAP;
    const least = wide.map((px) => Math.min(px, COLUMN_MIN));
    const sum = (list) => list.reduce((a, b) => a + b, 0);
    const spare = sum(wide) - sum(least);
    const over = Math.min(spare, Math.max(0, sum(wide) + 2 * SIDE - room));
    const widths = wide.map((px, depth) => px - (spare ? (px - least[depth]) * (over / spare) : 0));
    const starts = widths.map((_, depth) => sum(widths.slice(0, depth)));
    const fits = (px, depth) => Math.max(5, Math.floor((px - DOT - (depth === last ? 0 : GAP_MIN)) / CHARACTER));
    const names = widths.map((px, depth) => (over ? Math.min(NAME_MAX, fits(px, depth)) : NAME_MAX));
    return { starts, names, width: Math.ceil(sum(widths) + 2 * SIDE) };
}

// How wide an element's content may be, now and when it changes.
function useRoom() {
    const [element, setElement] = useState(null);
    const [room, setRoom] = useState(innerWidth);
    useLayoutEffect(() => {
        if (!element) return undefined;
        const look = () => {
            const style = getComputedStyle(element);
            setRoom(element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
        };
        const observer = new ResizeObserver(look);
        observer.observe(element);
        look();
        return () => observer.disconnect();
    }, [element]);
    return [setElement, room];
}

// Those with children first, then those with names; and a crowd without names is one node.
function arranged(node) {
    const alike = new Map();
    for (const child of node.children) {
        if (child.name || child.children.length) continue;
        alike.set(child.label, [...(alike.get(child.label) || []), child]);
    }
    const groups = [...alike].filter(([, members]) => members.length > ALIKE_MAX);
    const grouped = new Set(groups.map(([label]) => label));
    const alone = node.children.filter((child) => child.name || child.children.length || !grouped.has(child.label));
    const weight = (child) => (child.children.length ? 2 : 0) + (child.name ? 1 : 0);
    alone.sort((a, b) => weight(b) - weight(a) || titleOf(a).localeCompare(titleOf(b)));
    const crowds = groups.map(([label, members]) => ({ crowd: label, children: members }));
    // Of a million children some are told, the rest is a page of the table.
    const rest = (node.total || 0) - node.children.length;
    const list = rest > 0 ? [{ rest: node.pid, title: `${exact(rest)} more: list`, children: [] }] : [];
    return [...alone, ...crowds, ...list];
}

// The same place in the tree keeps its key when its process is started again.
function keyed(nodes) {
    const byPid = new Map(nodes.map((node) => [node.pid, { ...node, total: node.children, children: [] }]));
    const root = { key: ROOT, title: 'runtime', children: [] };
    for (const node of byPid.values()) {
        const parent = byPid.get(node.parent) || root;
        parent.children.push(node);
    }
    const name = (node) => {
        const used = new Map();
        if (!node.crowd) node.children = arranged(node);
        for (const child of node.children) {
            const title = child.rest ? child.title : child.crowd ? `${child.children.length} × ${child.crowd}` : titleOf(child);
            const nth = used.get(title) || 0;
            used.set(title, nth + 1);
            child.title = title;
            // A pid, where nothing else tells them apart: there is no telling who took over.
            const place = child.rest ? '\u2026list' : child.crowd || child.name || (nth === 0 && !node.crowd ? title : child.pid);
            child.key = `${node.key}/${place}`;
            name(child);
        }
    };
    name(root);
    return root;
}

// Keys whose process is another one than a moment ago.
function useFlashes(root) {
    const pids = useRef(new Map());
    const [flashes, setFlashes] = useState(new Set());
    useEffect(() => {
        if (!root) return;
        const now = new Map();
        const fresh = [];
        const walk = (node) => {
            for (const child of node.children) {
                now.set(child.key, child.pid);
                const before = pids.current.get(child.key);
                if (before && before !== child.pid) fresh.push(child.key);
                walk(child);
            }
        };
        walk(root);
        pids.current = now;
        if (!fresh.length) return;
        setFlashes((before) => new Set([...before, ...fresh]));
        setTimeout(() => setFlashes((before) => new Set([...before].filter((key) => !fresh.includes(key)))), FLASH_MS);
    }, [root]);
    return flashes;
}

// What one clicked on is the other way round: a crowd begins folded.
const folded = (node, clicked) => clicked.has(node.key) !== Boolean(node.crowd);

function shown(node, collapsed, all) {
    if (folded(node, collapsed)) return null;
    if (node.children.length <= OPEN_MAX || all.has(node.key)) return node.children;
    const rest = node.children.length - OPEN_MAX;
    const more = { key: `${node.key}/…`, title: `${rest} more…`, more: node.key, children: [] };
    return [...node.children.slice(0, OPEN_MAX), more];
}

// Into a node's row: the arrow keys go where it looks as if they would.
function onNodeKey(event, act) {
    const nodes = [...event.currentTarget.parentNode.querySelectorAll('.node')];
    const index = nodes.indexOf(event.currentTarget);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && nodes[index + step]) nodes[index + step].focus();
    else if (event.key === 'Enter') act.open();
    else if (event.key === ' ' || event.key === 'ArrowLeft' || event.key === 'ArrowRight') act.toggle();
    else return;
    event.preventDefault();
}

function Node({ at, x, nameMax, flash, collapsed, toggle, showAll }) {
    const node = at.data;
    const many = node.children.length;
    const told = node.total || many;
    const act = {
        open: () => {
            if (node.more) showAll(node.more);
            else if (node.rest) location.hash = `#/processes/of/${node.rest}`;
            else if (node.pid) location.hash = `#/process/${node.pid}`;
            else toggle(node.key);
        },
        toggle: () => (node.more ? showAll(node.more) : many && toggle(node.key)),
    };
    const state = many ? (collapsed ? 'collapsed' : 'expanded') : '';
    const label = `${node.title}${node.status ? `, ${node.status}` : ''}${many ? `, ${exact(told)} children, ${state}` : ''}`;
    return (
        <g class={`node ${flash ? 'flash' : ''} ${node.pid ? '' : 'virtual'}`} tabindex={0} role="treeitem"
            aria-label={label} aria-level={at.depth + 1} aria-expanded={many ? !collapsed : undefined}
            transform={`translate(${x},${at.x})`} onKeyDown={(event) => onNodeKey(event, act)}>
            <circle r={many ? 9 : 5} class={`dot status-${node.status}`} onClick={act.toggle} />
            {many ? <text class="sign" dy="0.35em" onClick={act.toggle}>{collapsed ? '+' : '−'}</text> : null}
            <text class="title" x={14} dy="0.35em" onClick={act.open}>
                {short(node.title, nameMax)}
                {node.mailbox ? <tspan class="dim"> {node.mailbox}✉</tspan> : null}
                {flash ? <tspan class="restarted"> restarted</tspan> : null}
                <title>{label}</title>
            </text>
        </g>
    );
}

export function Tree() {
    const { data, error } = usePoll('/api/tree?limit=2000');
    const [collapsed, setCollapsed] = useState(new Set());
    const [all, setAll] = useState(new Set());
    const root = useMemo(() => data && keyed(data.nodes), [data]);
    const flashes = useFlashes(root);
    const [drawing, room] = useRoom();
    if (!root) return <Nothing error={error} />;
    const laid = treeLayout().nodeSize([ROW, 1])(hierarchy(root, (node) => shown(node, collapsed, all)));
    const nodes = laid.descendants();
    const xs = nodes.map((node) => node.x);
    const top = Math.min(...xs) - ROW;
    const height = Math.max(...xs) - top + ROW;
    const { starts, names, width } = columnsOf(nodes, room);
    const branch = (from, to) => {
        const [left, right] = [starts[from.depth], starts[to.depth]];
        const bend = right - Math.min((right - left) / 2, GAP);
        return `M${left},${from.x}H${bend - (right - bend)}C${bend},${from.x} ${bend},${to.x} ${right},${to.x}`;
    };
    const with_ = (set, key) => new Set(set.has(key) ? [...set].filter((k) => k !== key) : [...set, key]);
    return (
        <>
            <h1>Supervision tree</h1>
            <p class="dim">
                Who started whom. A click on a circle folds, on a name opens; arrow keys, Space and Enter do the same.
                {data.truncated ? ` ${exact(data.nodes.length)} of ${exact(data.total)} processes: those with names, and the oldest.` : ''}
            </p>
            {error ? <Nothing error={error} /> : null}
            <div class="scroll drawing" ref={drawing}>
                <svg role="tree" aria-label="Supervision tree" width={width} height={height} viewBox={`-${SIDE} ${top} ${width} ${height}`}>
                    {laid.links().map((link) => (
                        <path key={link.target.data.key} class="branch" d={branch(link.source, link.target)} />
                    ))}
                    {nodes.map((at) => (
                        <Node key={at.data.key} at={at} x={starts[at.depth]} nameMax={names[at.depth]} flash={flashes.has(at.data.key)} collapsed={folded(at.data, collapsed)}
                            toggle={(key) => setCollapsed(with_(collapsed, key))} showAll={(key) => setAll(with_(all, key))} />
                    ))}
                </svg>
            </div>
        </>
    );
}
