// The node at a glance, and its last minutes.
import { column } from './api.js';
import { BINARY, Chart, WHOLE } from './chart.jsx';
import { bytes, count, duration, exact, percent } from './format.js';
import { Card, Nothing } from './parts.jsx';

const micros = (value) => (value === null || value === undefined ? '–' : duration(value / 1000));
const last = (values) => (values.length ? values[values.length - 1] : null);

// What workers were at work, of a second; where nobody measures it, the program's processor time
// as a part of what the workers could have used.
function utilisation(overview) {
    const cpu = column(overview, 'cpu_us');
    return column(overview, 'busy_us').map((busy, i) => {
        const us = busy === null ? cpu[i] : busy;
        return us === null ? null : us / 10000 / overview.workers;
    });
}

const sum = (counts) => Object.values(counts || {}).reduce((a, b) => a + b, 0);
const kinds = (overview) => Object.entries(overview.exit_counts || {}).filter(([, value]) => value > 0)
    .map(([kind, value]) => `${count(value)} ${kind}`).join(', ');

function charts(overview) {
    const of = (name) => column(overview, name);
    const delay = (name) => of(`queue_delay_${name}_us`);
    return [
        { title: 'Messages a second', format: count, steps: WHOLE, lines: [
            { label: 'sent', values: of('sent') },
            { label: 'handled', values: of('handled') },
        ] },
        { title: 'Queue delay', format: micros, lines: [
            { label: 'p50', values: delay('p50') },
            { label: 'p90', values: delay('p90') },
            { label: 'p99', values: delay('p99') },
        ] },
        { title: 'Utilisation', format: percent, lines: [
            { label: 'of all workers', values: utilisation(overview) },
        ] },
        { title: 'Memory', format: bytes, steps: BINARY, lines: [{ label: 'resident', values: of('rss_bytes') }] },
        { title: 'Ends a second', format: count, steps: WHOLE, lines: [
            { label: 'exits', values: of('exited') },
            { label: 'faults', values: of('faults') },
            { label: 'dead letters', values: of('dead') },
            { label: 'dropped', values: of('dropped') },
        ] },
        { title: 'Waiting in mailboxes', format: count, steps: WHOLE, lines: [
            { label: 'messages', values: of('queued') },
        ] },
    ];
}

export function Overview({ overview, error, theme }) {
    if (!overview) return <Nothing error={error} />;
    const times = column(overview, 't_ms');
    const totals = overview.totals;
    return (
        <>
            <h1>Overview</h1>
            <div class="cards">
                <Card title="Processes" value={exact(totals.processes)} note={`${count(totals.spawned)} ever`} />
                <Card title="Messages a second" value={count(last(column(overview, 'handled')))}
                    note={`${count(totals.handled)} handled`} />
                <Card title="In mailboxes" value={exact(totals.queued)} />
                <Card title="Utilisation" value={percent(last(utilisation(overview)))}
                    note={`${overview.workers} workers, ${totals.threads} threads`} />
                <Card title="Memory" value={bytes(last(column(overview, 'rss_bytes')))} />
                <Card title="Abnormal exits" value={exact(sum(overview.exit_counts))} note={kinds(overview) || `${count(totals.exited)} exits`}
                    to="#/exits" />
                <Card title="Not delivered" value={exact(totals.dead_noproc + totals.dropped_full + (totals.dropped_shed || 0))}
                    note={`${count(totals.late_replies)} late replies`} to="#/exits" />
                <Card title="Up" value={duration(overview.uptime_ms)} note={`${count(totals.timers)} timers`} />
            </div>
            <div class="charts">
                {charts(overview).map((chart) => (
                    <Chart key={chart.title} times={times} theme={theme} {...chart} />
                ))}
            </div>
        </>
    );
}
