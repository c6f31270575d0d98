// What several pages show.
import { Fragment } from 'preact';

// Each state has a shape of its own, so that nobody needs to tell the colours apart.
const STATES = {
    running: '▶',
    runnable: '◆',
    idle: '○',
    waiting: '◐',
    suspended: '‖',
    exiting: '✕',
    ended: '✕',
};

export function Status({ of }) {
    return (
        <span class={`status status-${of}`}>
            <span aria-hidden="true">{STATES[of] || '?'}</span> {of}
        </span>
    );
}

// `names`: what is known of pids.
export function PidLink({ pid, names, children }) {
    if (!pid) return <span class="dim">none</span>;
    const name = names && names[pid];
    return (
        <>
            <a href={`#/process/${pid}`}>{children || <code>{pid}</code>}</a>
            {name ? <span class="dim"> {name}</span> : null}
        </>
    );
}

export const short = (text, max) => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

export const titleOf = (process) => process.name || process.label;

// Why there is nothing to see: an error, an answer that says so, or no answer yet.
export function Nothing({ error, why, children }) {
    if (error) {
        return (
            <p class="empty" role="alert">
                {error.message}
            </p>
        );
    }
    return <p class="empty">{why || children || 'Asking…'}</p>;
}

// `to`: where more of it is seen.
export function Card({ title, value, note, to }) {
    const Box = to ? 'a' : 'div';
    return (
        <Box class="card" href={to}>
            <div class="card-title">{title}</div>
            <div class="card-value">{value}</div>
            {note ? <div class="card-note">{note}</div> : null}
        </Box>
    );
}

export function Facts({ facts }) {
    return (
        <dl class="facts">
            {facts
                .filter((fact) => fact)
                .map(([name, value]) => (
                    <Fragment key={name}>
                        <dt>{name}</dt>
                        <dd>{value}</dd>
                    </Fragment>
                ))}
        </dl>
    );
}
