// Numbers as people read them.
const UNITS = ['', 'k', 'M', 'G', 'T'];

export function count(value) {
    if (value === null || value === undefined) return '–';
    let unit = 0;
    while (Math.abs(value) >= 10000 && unit < UNITS.length - 1) {
        value /= 1000;
        unit++;
    }
    return (unit && value < 100 ? value.toFixed(1) : Math.round(value).toString()) + UNITS[unit];
}

export const exact = (value) => value.toLocaleString('en');

export function bytes(value) {
    if (value === null || value === undefined) return '–';
    let unit = 0;
    while (value >= 1024 && unit < UNITS.length - 1) {
        value /= 1024;
        unit++;
    }
    const text = unit && value < 10 ? value.toFixed(1) : Math.round(value).toString();
    return `${text} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

export function duration(ms) {
    if (ms === null || ms === undefined) return '–';
    if (ms < 1) return `${Math.round(ms * 1000)} µs`;
    if (ms < 1000) return `${Math.round(ms)} ms`;
    const s = Math.floor(ms / 1000);
    if (s < 60) return `${(ms / 1000).toFixed(1)} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// What a clock of microseconds measured.
export const took = (us) => (us === null || us === undefined ? '' : us === 0 ? '< 1 µs' : duration(us / 1000));

export const percent = (value) =>
    value === null || value === undefined ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
