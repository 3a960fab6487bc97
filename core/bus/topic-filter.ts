// MQTT topic filters: `+` stands for one level, `#` at the end for any number. Used to hand a message
// to those of our subscriptions that asked for it.

/** Turns a filter into a test. Wildcards do not match topics of the broker itself ('$SYS/...'). */
export function compileFilter(filter: string): (topic: string) => boolean {
  const levels = filter.split('/');
  const isWild = filter.includes('+') || filter.includes('#');
  if (!isWild) return (topic) => topic === filter;
  return (topic) => {
    if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
    return matches(levels, topic.split('/'));
  };
}

function matches(filter: string[], topic: string[]): boolean {
  for (let index = 0; index < filter.length; index++) {
    const level = filter[index];
    if (level === '#') return true;
    if (index >= topic.length || (level !== '+' && level !== topic[index])) return false;
  }
  return topic.length === filter.length;
}
