/* The life of one chunk: it is archived, removed and restored, while workers are killed, paused and overtaken, while people write,
 * reshape and drop, while source or ledger are put back to an earlier state, and while others write to the lake.
 *
 * Searched is whether any order of these steps breaks one of five sentences:
 *
 *   of one moment     All parts of an archive are of one moment.
 *   never lost        A chunk is dropped only on the grounds of an archive that lies in the lake and is equal to the chunk's rows.
 *   never doubled     Who reads the live rows and the archives that stand in for rows sees each row once, and as it was.
 *   one story         The ledger says `removed` of exactly the archives that stand in for rows: always, where the ledger is inside the
 *                     source; as soon as reconcile has nothing left to do, where the ledger is elsewhere.
 *   in the lake       Who reads the lake's table alone finds what is gone from the database.
 *
 * `make proof` runs the searches of tests/proof/searches.py. docs/proof.md says what is modelled and what is not, and how to read a
 * trail: what the workers print is its story.
 */

/* --- Guards. Each can be switched off with -DNAME=0; then one of the sentences breaks. ------------------------------------------- */
#ifndef HASH
#define HASH 1          /* What lies at a job's destination is the job's own only if the ledger recorded its hash before the rename. */
#endif
#ifndef MARK
#define MARK 1          /* What was read counts only in a history that has the mark of the reading. */
#endif
#ifndef ALIVE
#define ALIVE 1         /* A mark is written only while the session of its snapshot is seen alive on the same server. */
#endif
#ifndef SERVER
#define SERVER 1        /* A mark counts only on the server that it was written on: dumps bring marks along, and number rows anew. */
#endif
#ifndef COMPARE
#define COMPARE 1       /* Where the mark is missing, the whole chunk is compared before it goes. */
#endif
#ifndef RENEW
#define RENEW 1         /* After a comparison, the mark and the fence of the comparison's own snapshot count. */
#endif
#ifndef ADOPTED
#define ADOPTED 1       /* What was adopted on the word of the lake and a mark proves nothing before the whole chunk was compared. */
#endif
#ifndef ONECONN
#define ONECONN 1       /* A removal looks, compares and drops over one connection, which ends with its server. */
#endif
#ifndef LEAF
#define LEAF 1          /* A partition tree is known by all its leaves. */
#endif
#ifndef UNDERLOCK
#define UNDERLOCK 1     /* Facts that decide are looked up under the lock. */
#endif
#ifndef FENCE
#define FENCE 1         /* The chunk's rows are compared under the lock. */
#endif
#ifndef TRIAL
#define TRIAL 1         /* Rows of the archive come back in trial before the chunk goes. */
#endif
#ifndef REPLACE
#define REPLACE 1       /* A mark that stands in for rows is replaced by a restore of that archive alone. */
#endif
#ifndef GONE
#define GONE 1          /* A table that is gone is not rows that are gone. */
#endif
#ifndef DROPPED
#define DROPPED 1       /* Dropped by others is said of the last archive alone, and only where no other archive stands in. */
#endif
#ifndef MARKED
#define MARKED 1        /* A restore places rows only while its archive stands in for them, in the same transaction. */
#endif
#ifndef BACKMARK
#define BACKMARK 1      /* A restore leaves a mark that says into which table. */
#endif
#ifndef ATTEMPT
#define ATTEMPT 1       /* Every write of a job says on whose lease it is made. */
#endif
#ifndef TOKEN
#define TOKEN 1         /* A lease is a random token: counted attempts come again when the ledger is put back. */
#endif
#ifndef RESUME
#define RESUME 1        /* Finished parts are taken over only if history and chunk are what they were. */
#endif
#ifndef ONCE
#define ONCE 1          /* On whose grounds a chunk went is decided by the transaction that dropped it, and never inherited. */
#endif
#ifndef ROWLOCK
#define ROWLOCK 1       /* An archive's row in the ledger is locked before its marks are read, until what follows is committed. */
#endif
#ifndef FOLLOWS
#define FOLLOWS 1       /* The ledger follows the marks, whatever it says. */
#endif
#ifndef OWNER
#define OWNER 1         /* A lake has one owner: the service of a copy of the source does not write to it. */
#endif
#ifndef INTABLE
#define INTABLE 1       /* A chunk goes only when its archive is in the lake's table. */
#endif
#ifndef TABLEMARK
#define TABLEMARK 1     /* The lake's table follows the marks before the ledger. */
#endif
#ifndef BYMARK
#define BYMARK 1        /* Who reads takes the archives that stand in by the source's own snapshot, not those that the ledger names. */
#endif

/* --- What may happen, and how often. ------------------------------------------------------------------------------------------------ */
#ifndef INSIDE
#define INSIDE 1        /* The ledger is in the source database, and goes back with it. */
#endif
#ifndef TABLES
#define TABLES 1        /* The lake has a table of the archives, and a committer. */
#endif
#ifndef WRITES
#define WRITES 0        /* People write to the chunk, or make it anew by late rows, or write elsewhere. */
#endif
#ifndef RESHAPES
#define RESHAPES 0      /* People swap a leaf, swap columns, move the rows to another table, or drop the chunk. */
#endif
#ifndef SOURCEBACKS
#define SOURCEBACKS 0   /* The source is put back on its disks, or a dump of it is restored on another server. */
#endif
#ifndef LEDGERBACKS
#define LEDGERBACKS 0   /* A ledger elsewhere is put back. */
#endif
#ifndef FORGERIES
#define FORGERIES 0     /* Somebody puts a folder into the lake, or defines a cast that changes values. */
#endif
#ifndef RESTORES
#define RESTORES 0      /* Archives are restored. */
#endif
#ifndef ASKS
#define ASKS 1          /* The chunk is asked for a second time: that is job 1, whose archive takes the place of job 0's. */
#endif
#ifndef LEASES
#define LEASES 7        /* Leases of all jobs together; at most 7, since a set of nonces is one byte. */
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2      /* Leases of each job, as the ledger counts them. */
#endif
#ifndef REMOVERS
#define REMOVERS 1
#endif
#ifndef RESTORERS
#define RESTORERS (RESTORES > 0)
#endif

#define JOBS 2
#define MANIFESTS 8     /* Number 0 is no manifest. */
#define FORGED 7        /* A content that never was in the source. */
#define SET(member) (1 << (member))

mtype = { unknown, queued, running, archived, removed, restored, superseded, failed };

/* --- The source. `kept_source` is a backup of it, or a copy. --------------------------------------------------------------------------- */
typedef Source {
  bit  stands;                 /* A table holds rows of the chunk's range. */
  bit  moved;                  /* That table bears another name: the chunk was merged, split or renamed. */
  byte table;                  /* The table's identity, which never comes again. */
  byte leaves;                 /* The identity of its leaves. */
  byte columns;                /* The definition of its columns. */
  byte content;                /* What the rows are. */
  byte holds;                  /* The contents of which the table still has rows, a set: a write changes some rows. */
  byte newest;                 /* The newest transaction number among the rows. */
  byte next;                   /* The next transaction number: it goes back with the source, and comes again. */
  bit  server;                 /* Which server this is. */
  byte read[JOBS];             /* Marks of the job's readings: a set of nonces. */
  byte compared[JOBS];         /* Mark of a comparison: the manifest that was equal to the whole chunk, … */
  byte compared_next[JOBS];    /* … and what its snapshot saw. */
  byte compared_table[JOBS];
  byte compared_leaves[JOBS];
  bit  compared_server[JOBS];
  byte marked[JOBS];           /* Mark of a drop: the manifest that stands in for the rows. */
  bit  by_others[JOBS];        /* The kind of that mark: people had dropped the chunk, and reconcile noticed. */
  byte placed[JOBS];           /* Mark of a restore, in the place of that of the drop: the table that took the rows. */
  byte made_by;                /* Only the model knows: the job whose restore made the table, plus one. */
  byte owed;                   /* Only the model knows: the contents that a reader has to see, a set. */
  byte past                    /* Only the model knows: the contents that this history has had, a set. */
};
Source source, kept_source;

/* --- The ledger: a row for each job. ------------------------------------------------------------------------------------------------------ */
typedef Job {
  mtype status;
  bit  moved;                  /* By which of the two names the chunk was asked for. */
  byte attempt;
  byte token;                  /* Whose lease it is. */
  byte declared;               /* The manifests whose hashes were recorded before a rename: a set. */
  byte manifest;               /* The archive. */
  bit  adopted;                /* The ledger had lost the job, and took what lay in the lake. */
  byte first;                  /* Content of the finished first part, 0 if there is none, and what its snapshot saw: */
  byte next, table, leaves, columns, nonce;
  bit  server
};
Job ledger[JOBS], kept_ledger[JOBS];
byte locked[JOBS];             /* The process whose transaction has the row locked. */

/* --- The lake. Nothing in it is ever deleted. ---------------------------------------------------------------------------------------------- */
typedef Manifest {
  byte next, table, leaves, columns, nonce;
  bit  server;
  bit  took_restored;          /* The table that was read had rows that were restored from job 0's archive. */
  byte first, second;          /* What the two parts hold. */
  bit  spoiled;                /* A cast had changed the values. */
  bit  lies                    /* It lies in the lake. */
};
Manifest manifest[MANIFESTS];
byte manifests = 1;
byte published[JOBS];          /* What lies where the job publishes. */
byte in_table[JOBS];           /* Which archive of the job is in the lake's table. */

/* --- What only the model knows. --------------------------------------------------------------------------------------------------------------- */
byte contents = 1, tables = 1, nonces;
bit  source_era;               /* Connections end when the source is put back. */
bit  source_kept, source_back, ledger_kept, ledger_back, cast_changes;
byte writes, reshapes, forgeries, restores;
/* Never set: each assertion begins with the name of its sentence, so that pan says which one is broken. */
bit  of_one_moment, never_lost, never_doubled, one_story, in_the_lake;
/* Workers of a kind are alike: the second one needs to begin only while the first one works. */
bit  archiver_works, remover_works, restorer_works;
#define MAY_BEGIN(first_works) (!me || first_works)

/* --- Questions, each asked in one place. `s` is a source, `l` a ledger, `j` a job, `o` the other job, `h` a manifest. ------------------------- */
#define LEASED(j, token)      ((!ATTEMPT || ledger[j].token == token) && ledger[j].status == running)
#define IS_FREE(j)            (locked[j] == 0)
#define MAY_LOCK(j)           (!ROWLOCK || IS_FREE(j))
#define HAS_LOCK(j)           (!ROWLOCK || locked[j] == _pid)
#define IS_THERE(j)           (source.stands && source.moved == ledger[j].moved)
/* Has this history, on this server, all that the reading saw? */
#define WAS_READ(s, j, h)     (((s.read[j] >> manifest[h].nonce) & 1) && (!SERVER || manifest[h].server == s.server))
#define WAS_COMPARED(s, j, h) (s.compared[j] == h && (!SERVER || s.compared_server[j] == s.server))
#define HAS_MARK(s, j, h)     (!MARK || WAS_READ(s, j, h) || WAS_COMPARED(s, j, h))
#define PROVES(s, l, j, h)    (HAS_MARK(s, j, h) && (!ADOPTED || !l[j].adopted || WAS_COMPARED(s, j, h)))
/* On which grounds is it the same table with the same rows? */
#define BY_COMPARISON(j, h)   (RENEW && WAS_COMPARED(source, j, h))
#define IS_TABLE(j, h)        (source.table == (BY_COMPARISON(j, h) -> source.compared_table[j] : manifest[h].table))
#define ARE_LEAVES(j, h)      (!LEAF || source.leaves == (BY_COMPARISON(j, h) -> source.compared_leaves[j] : manifest[h].leaves))
#define IS_UNCHANGED(j, h)    (!FENCE || source.newest < (BY_COMPARISON(j, h) -> source.compared_next[j] : manifest[h].next))
#define HAS_GROUNDS(j, h)     (PROVES(source, ledger, j, h) && IS_TABLE(j, h) && ARE_LEAVES(j, h))
#define IS_AS_THEN(j, h)      (IS_THERE(j) && source.columns == manifest[h].columns)
/* Which manifest of the job stands in for rows, and which one does the ledger or the source name? */
#define STANDS_IN(s, j)       (s.placed[j] -> 0 : s.marked[j])
#define ARCHIVE(s, l, j)      (s.marked[j] -> s.marked[j] : l[j].manifest)
/* Which table has an archive's rows while they live: the one they were restored to, compared with, or read from. */
#define TABLE_OF(s, j, h)     (s.placed[j] -> s.placed[j] : (WAS_COMPARED(s, j, h) -> s.compared_table[j] : manifest[h].table))
#define STANDS(s, j, h)       (s.stands && s.table == TABLE_OF(s, j, h))
#define IS_KNOWN(l, j)        (l[j].status == archived || l[j].status == removed || l[j].status == restored || l[j].status == superseded)
#define LIVES(s, l, j)        (IS_KNOWN(l, j) && PROVES(s, l, j, l[j].manifest) && STANDS(s, j, l[j].manifest))
/* Does a later archive, of this history and of the same table, take its place? */
#define OVERTAKEN(s, l, j, o) (o > j && IS_KNOWN(l, o) && PROVES(s, l, o, l[o].manifest) && \
  (manifest[l[o].manifest].took_restored || TABLE_OF(s, o, l[o].manifest) == TABLE_OF(s, j, ARCHIVE(s, l, j))))

inline ask_again() {
  if
  :: ASKS && ledger[1].status == unknown ->
       ledger[1].status = queued; ledger[1].moved = source.moved; printf("  and asks for it again, as job 1\n")
  :: else
  fi
}

/* --- Archive. ------------------------------------------------------------------------------------------------------------------------------------ */
#define MAY_LEASE(j) (nonces < LEASES && manifests < MANIFESTS && MAY_BEGIN(archiver_works) && ledger[j].attempt < ATTEMPTS && \
  (ledger[j].status == queued || ledger[j].status == running))
#define MAY_RESUME(j) (ledger[j].first && (!RESUME || (source.newest < ledger[j].next && source.table == ledger[j].table && \
  (!LEAF || source.leaves == ledger[j].leaves) && source.columns == ledger[j].columns && \
  (!MARK || (((source.read[j] >> ledger[j].nonce) & 1) && (!SERVER || source.server == ledger[j].server))))))
/* What lies at the job's place already is taken for the job's own. */
#define IS_OWN(j, h) (h && (!HASH || ((ledger[j].declared & SET(h)) && (!MARK || WAS_READ(source, j, h)))))

/* How does manifest `h` of job 1 stand to the archive of job 0? */
#define APART 0                /* It is of another table, or there is none. */
#define TAKES_ITS_PLACE 1
#define COMES_TOO_LATE 2       /* The chunk went on the grounds of job 0. */
#define BESIDE(h) (!source.marked[0] && !IS_KNOWN(ledger, 0) -> APART : \
  (!manifest[h].took_restored && manifest[h].table != TABLE_OF(source, 0, ARCHIVE(source, ledger, 0)) -> APART : \
  (STANDS_IN(source, 0) -> COMES_TOO_LATE : TAKES_ITS_PLACE)))

/* The ledger's row of a published archive, and that of job 0, whose place it may take. */
inline become_archived(j, h) {
  ledger[j].manifest = h; ledger[j].status = archived; printf("job %d is archived as manifest %d\n", j, h);
  assert(of_one_moment || manifest[h].first == manifest[h].second);
  if
  :: beside == APART
  :: beside == TAKES_ITS_PLACE ->
       /* An archive that stands in for rows is not superseded, unless something was put back between look and commit. */
       assert(one_story || !STANDS_IN(source, 0) || era != source_era || ledger_back);
       ledger[0].status = superseded; printf("  and takes the place of job 0\n")
  :: beside == COMES_TOO_LATE && ONCE ->
       ledger[1].status = superseded; printf("  and is superseded by job 0, on whose grounds the chunk went\n")
  :: beside == COMES_TOO_LATE && !ONCE ->
       ledger[1].status = removed; ledger[0].status = superseded; printf("  and inherits the removal of job 0\n")
  fi
}

inline take_lease(j) {
  job = j; ledger[j].attempt++; nonces++; nonce = nonces; token = (TOKEN -> nonces : ledger[j].attempt);
  ledger[j].token = token; ledger[j].status = running; archiver_works = archiver_works || !me;
  printf("archiver %d leases job %d, attempt %d\n", me, j, ledger[j].attempt)
}

inline stop_archiving() {
  if :: locked[0] == _pid -> locked[0] = 0 :: else fi;
  job = 0; token = 0; nonce = 0; first = 0; second = 0; next = 0; table = 0; leaves = 0; columns = 0; server = 0;
  held = 0; lay = 0; beside = 0; spoiled = 0; took_restored = 0; era = 0; archiver_works = archiver_works && me;
  goto idle
}

proctype archiver(bit me) {
  byte job, token, nonce, first, second, next, table, leaves, columns, held, lay, beside;
  bit server, spoiled, took_restored, era;
idle:
end:
  do
  /* A lease may run out at any time: who had it goes on, and must not write any more. */
  :: atomic { MAY_LEASE(0) -> take_lease(0); break }
  :: atomic { MAY_LEASE(1) -> take_lease(1); break }
  od;
  atomic {
    /* What an earlier attempt has published only has to be finished. */
    lay = published[job];
    if
    :: IS_OWN(job, lay) -> held = lay; printf("archiver %d finds its manifest %d published\n", me, held); goto finish
    :: else
    fi;
    /* The snapshot: every part of this attempt sees this, and marks are looked for in it. */
    if
    :: !IS_THERE(job) ->
         if :: LEASED(job, token) -> ledger[job].status = failed :: else fi;
         printf("archiver %d finds no chunk\n", me); stop_archiving()
    :: else
    fi;
    second = source.content; era = source_era; spoiled = cast_changes; took_restored = (source.placed[0] == source.table);
    if
    :: MAY_RESUME(job) ->
         first = ledger[job].first; next = ledger[job].next; table = ledger[job].table; leaves = ledger[job].leaves;
         columns = ledger[job].columns; nonce = ledger[job].nonce; server = ledger[job].server;
         printf("archiver %d sees content %d, and takes over the first part, of content %d\n", me, second, first); goto all_parts
    :: else ->
         next = source.next; table = source.table; leaves = source.leaves; columns = source.columns; server = source.server;
         printf("archiver %d sees content %d\n", me, second)
    fi
  }
  atomic {
    if
    :: ALIVE && era != source_era -> printf("archiver %d has lost its snapshot\n", me); stop_archiving()
    :: else -> source.read[job] = source.read[job] | SET(nonce); source.next++; printf("archiver %d leaves mark %d\n", me, nonce)
    fi
  }
  atomic {
    if
    :: LEASED(job, token) ->
         ledger[job].first = 0; ledger[job].next = next; ledger[job].table = table; ledger[job].leaves = leaves;
         ledger[job].columns = columns; ledger[job].nonce = nonce; ledger[job].server = server;
         printf("archiver %d begins its parts\n", me)
    :: else -> printf("archiver %d has lost its lease\n", me); stop_archiving()
    fi
  }
  atomic {
    first = second;
    if
    :: LEASED(job, token) -> ledger[job].first = first; printf("archiver %d records its first part, of content %d\n", me, first)
    :: else -> printf("archiver %d has lost its lease\n", me); stop_archiving()
    fi;
    if :: printf("archiver %d is killed\n", me); stop_archiving() :: skip fi
  }
all_parts:
  atomic {
    /* The hash of the manifest is in the ledger before anything is published. */
    if
    :: LEASED(job, token) && manifests < MANIFESTS ->
         held = manifests; manifests++;
         manifest[held].next = next; manifest[held].table = table; manifest[held].leaves = leaves; manifest[held].columns = columns;
         manifest[held].nonce = nonce; manifest[held].server = server; manifest[held].took_restored = took_restored;
         manifest[held].first = first; manifest[held].second = second; manifest[held].spoiled = spoiled;
         ledger[job].declared = ledger[job].declared | SET(held);
         printf("archiver %d declares manifest %d, of contents %d and %d\n", me, held, first, second)
    :: else -> printf("archiver %d has lost its lease\n", me); stop_archiving()
    fi
  }
  atomic {
    /* The rename, to a place where nothing of the job's own lay. What lies there now is of another attempt, or forged. */
    if
    :: published[job] == lay ->
         published[job] = held; manifest[held].lies = 1; printf("archiver %d publishes manifest %d\n", me, held)
    :: else -> held = published[job]; printf("archiver %d finds manifest %d published\n", me, held)
    fi;
    if :: printf("archiver %d is killed\n", me); stop_archiving() :: skip fi
  }
finish:
  if
  :: !INSIDE && job == 1 ->
       atomic {
         /* The row of the archive whose place may be taken is locked, and then its marks are read. */
         MAY_LOCK(0);
         if
         :: LEASED(job, token) -> locked[0] = (ROWLOCK -> _pid : locked[0]); beside = BESIDE(held); era = source_era
         :: else -> printf("archiver %d has lost its lease\n", me); stop_archiving()
         fi
       }
  :: else
  fi;
  atomic {
    if
    :: INSIDE && job == 1 -> MAY_LOCK(0); beside = BESIDE(held); era = source_era
    :: else
    fi;
    if
    :: !LEASED(job, token) || (!INSIDE && job == 1 && !HAS_LOCK(0)) -> printf("archiver %d has lost its lease\n", me)
    :: else ->
         if
         :: HASH && !(ledger[job].declared & SET(held)) -> printf("archiver %d finds what is not its own\n", me)
         :: else ->
              become_archived(job, held)
         fi
    fi;
    stop_archiving()
  }
}

/* --- Removal. --------------------------------------------------------------------------------------------------------------------------------------- */
#define IS_IN_TABLE(j, h) (!TABLES || !INTABLE || in_table[j] == h)
#define IS_DUE(j) (ledger[j].status == archived && MAY_BEGIN(remover_works) && \
  (IS_IN_TABLE(j, ledger[j].manifest) || !HAS_GROUNDS(j, ledger[j].manifest)))

inline stop_removing() {
  if :: locked[job] == _pid -> locked[job] = 0 :: else fi;
  job = 0; held = 0; content = 0; next = 0; table = 0; leaves = 0; columns = 0; server = 0; era = 0;
  remover_works = remover_works && me; goto idle
}

proctype remover(bit me) {
  byte job, held, content, next, table, leaves, columns;
  bit server, era;
idle:
end:
  do
  :: atomic { IS_DUE(0) -> job = 0; break }
  :: atomic { IS_DUE(1) -> job = 1; break }
  od;
  atomic {
    held = ledger[job].manifest; era = source_era; remover_works = remover_works || !me;
    printf("remover %d looks at job %d, manifest %d\n", me, job, held);
    if
    :: ledger[job].status != archived || !IS_THERE(job) -> printf("  and finds nothing to remove\n"); stop_removing()
    :: else
    fi
  }
look:
  atomic {
    if
    :: ONECONN && era != source_era -> printf("remover %d has lost its connection\n", me); stop_removing()
    :: else
    fi;
    if
    :: !IS_AS_THEN(job, held) -> printf("remover %d finds the table altered\n", me); ask_again(); stop_removing()
    :: else
    fi;
    if
    :: !HAS_GROUNDS(job, held) ->
         content = source.content; next = source.next; table = source.table; leaves = source.leaves; columns = source.columns;
         server = source.server; printf("remover %d has no grounds, and compares the whole chunk\n", me); goto compare
    :: else
    fi;
    if
    :: !IS_IN_TABLE(job, held) -> printf("remover %d does not find it in the lake's table\n", me); stop_removing()
    :: TRIAL && manifest[held].spoiled -> printf("remover %d cannot bring it back in trial\n", me); stop_removing()
    :: else -> goto lock_row
    fi
  }
compare:
  atomic {
    if
    :: COMPARE && (content != manifest[held].first || content != manifest[held].second || manifest[held].spoiled ||
         columns != manifest[held].columns) -> printf("remover %d finds other rows\n", me); ask_again(); stop_removing()
    :: ALIVE && era != source_era -> printf("remover %d has lost its snapshot\n", me); stop_removing()
    :: else
    fi;
    /* The comparison's own mark, while its snapshot is still seen. */
    source.compared[job] = held; source.compared_next[job] = next; source.compared_table[job] = table;
    source.compared_leaves[job] = leaves; source.compared_server[job] = server; source.next++;
    content = 0; next = 0; table = 0; leaves = 0; columns = 0; server = 0;
    printf("remover %d finds the same rows, and leaves a mark\n", me); goto look
  }
lock_row:
  if
  :: !INSIDE && ROWLOCK ->
       atomic {
         IS_FREE(job);
         if
         :: ledger[job].status == archived && ledger[job].manifest == held ->
              locked[job] = _pid; printf("remover %d locks the row of job %d\n", me, job)
         :: else -> stop_removing()
         fi
       }
  :: else
  fi;
  atomic {
    /* One transaction of the source: the chunk's lock, what is looked up under it, the mark, the drop, and the row if it is inside. */
    !INSIDE || MAY_LOCK(job);
    if
    :: (ONECONN && era != source_era) || !source.stands || (REPLACE && STANDS_IN(source, job)) ||
         (INSIDE && (ledger[job].status != archived || ledger[job].manifest != held)) ->
         printf("remover %d does not go on\n", me); stop_removing()
    :: else
    fi;
    if
    :: !IS_UNCHANGED(job, held) || (UNDERLOCK && !(IS_AS_THEN(job, held) && HAS_GROUNDS(job, held))) ->
         printf("remover %d finds it changed\n", me); ask_again(); stop_removing()
    :: else
    fi;
    printf("remover %d drops content %d on the grounds of manifest %d\n", me, source.content, held);
    assert(never_lost || (manifest[held].lies && manifest[held].first == source.content && manifest[held].second == source.content &&
           !manifest[held].spoiled && manifest[held].columns == source.columns));
    assert(in_the_lake || !TABLES || (in_table[0] && manifest[in_table[0]].first == source.content) ||
           (in_table[1] && manifest[in_table[1]].first == source.content));
    source.stands = 0; source.next++; source.marked[job] = held; source.by_others[job] = 0; source.placed[job] = 0;
    if :: INSIDE -> ledger[job].status = removed; stop_removing() :: else fi;
    if :: printf("remover %d is killed\n", me); stop_removing() :: skip fi
  }
  atomic {
    /* The ledger elsewhere, in the transaction that has the row locked. A ledger that was put back has ended it. */
    if
    :: ledger[job].status == archived && HAS_LOCK(job) -> ledger[job].status = removed; printf("job %d is removed\n", job)
    :: else
    fi;
    stop_removing()
  }
}

/* --- Restore. ------------------------------------------------------------------------------------------------------------------------------------------ */
#define IS_WANTED(j) (restores < RESTORES && ledger[j].status == removed && MAY_BEGIN(restorer_works))

inline stop_restoring() {
  if :: locked[job] == _pid -> locked[job] = 0 :: else fi;
  job = 0; held = 0; era = 0; restorer_works = restorer_works && me; goto idle
}

proctype restorer(bit me) {
  byte job, held;
  bit era;
idle:
end:
  do
  :: atomic { IS_WANTED(0) -> job = 0; break }
  :: atomic { IS_WANTED(1) -> job = 1; break }
  od;
  atomic {
    restores++; held = ledger[job].manifest; era = source_era; restorer_works = restorer_works || !me;
    printf("restorer %d loads manifest %d of job %d\n", me, held, job)
  }
  if
  :: !INSIDE && ROWLOCK ->
       atomic {
         IS_FREE(job);
         if
         :: ledger[job].status == removed && ledger[job].manifest == held ->
              locked[job] = _pid; printf("restorer %d locks the row of job %d\n", me, job)
         :: else -> stop_restoring()
         fi
       }
  :: else
  fi;
  atomic {
    /* One transaction of the source: the room, the mark, the rows, and the row if it is inside. */
    !INSIDE || MAY_LOCK(job);
    if
    :: source.stands || (ONECONN && era != source_era) || (MARKED && (STANDS_IN(source, job) != held ||
         (INSIDE && (ledger[job].status != removed || ledger[job].manifest != held)))) ->
         printf("restorer %d finds no room, or an archive that stands in for nothing\n", me); stop_restoring()
    :: else
    fi;
    tables++;
    source.stands = 1; source.moved = ledger[job].moved; source.table = tables; source.leaves = tables;
    source.columns = manifest[held].columns; source.content = manifest[held].first; source.holds = SET(source.content);
    source.newest = source.next; source.next++; source.made_by = job + 1;
    source.marked[job] = (BACKMARK -> held : 0); source.by_others[job] = 0; source.placed[job] = (BACKMARK -> tables : 0);
    printf("restorer %d places content %d in table %d\n", me, source.content, tables);
    if :: INSIDE -> ledger[job].status = restored; stop_restoring() :: else fi;
    if :: printf("restorer %d is killed\n", me); stop_restoring() :: skip fi
  }
  atomic {
    if
    :: ledger[job].status == removed && HAS_LOCK(job) -> ledger[job].status = restored; printf("job %d is restored\n", job)
    :: else
    fi;
    stop_restoring()
  }
}

/* --- Reconcile: the source's marks decide, and the ledger follows. ----------------------------------------------------------------------------------- */
#define TAKEN_BY(j, o) (STANDS_IN(source, o) && \
  TABLE_OF(source, o, STANDS_IN(source, o)) == TABLE_OF(source, j, ARCHIVE(source, ledger, j)))
#define VERDICT(j, o) (STANDS_IN(source, j) -> removed : \
  (!source.marked[j] && !IS_KNOWN(ledger, j) -> ledger[j].status : \
  (TAKEN_BY(j, o) || OVERTAKEN(source, ledger, j, o) -> superseded : \
  (source.placed[j] && source.stands -> restored : archived))))
#define DIFFERS(j, o) (FOLLOWS && (ledger[j].status != VERDICT(j, o) || ledger[j].manifest != ARCHIVE(source, ledger, j)))

/* The table is gone, none of the archive's rows live elsewhere, no other archive stands in, and no later one is known. */
#define IS_LAST(j, o) (!(o > j && IS_KNOWN(ledger, o) && PROVES(source, ledger, o, ledger[o].manifest)))
#define ROWS_LIVE(j) (source.stands && (source.holds & SET(manifest[ledger[j].manifest].first)))
#define WAS_DROPPED(j, o) (IS_KNOWN(ledger, j) && ledger[j].status != superseded && !STANDS_IN(source, j) && \
  PROVES(source, ledger, j, ledger[j].manifest) && !STANDS(source, j, ledger[j].manifest) && (!GONE || !ROWS_LIVE(j)) && \
  (!DROPPED || (!STANDS_IN(source, o) && IS_LAST(j, o))))

inline look_at_marks(j, o) {
  locked[j] = (ROWLOCK -> _pid : locked[j]); job = j; held = ARCHIVE(source, ledger, j); verdict = VERDICT(j, o)
}

inline follow_marks() {
  if
  :: HAS_LOCK(job) ->
       ledger[job].status = verdict; ledger[job].manifest = held; ledger[job].token = (source.marked[job] -> 0 : ledger[job].token);
       ledger[job].declared = ledger[job].declared | (held -> SET(held) : 0);
       locked[job] = (ROWLOCK -> 0 : locked[job]); printf("reconcile: by its marks job %d is %e\n", job, verdict)
  :: else
  fi;
  job = 0; held = 0; verdict = unknown
}

inline mark_dropped(j) {
  printf("reconcile: the chunk of job %d was dropped by others\n", j);
  /* This history had these rows. */
  assert(never_doubled || (manifest[ledger[j].manifest].first == manifest[ledger[j].manifest].second &&
         (source.past & SET(manifest[ledger[j].manifest].first))));
  source.marked[j] = ledger[j].manifest; source.by_others[j] = 1; source.placed[j] = 0; source.next++;
  source.owed = source.owed | SET(manifest[ledger[j].manifest].first);
  if :: INSIDE -> ledger[j].status = removed :: else fi
}

/* Published, and not recorded: declared by a job that failed, or of a job that the ledger has lost and the source knows. */
#define MAY_ADOPT(j) (published[j] && MAY_LOCK(0) && ((ledger[j].status == failed && (ledger[j].declared & SET(published[j]))) || \
  (ledger[j].status == unknown && WAS_READ(source, j, published[j]))))

inline adopt(j) {
  printf("reconcile: manifest %d of job %d is adopted\n", published[j], j);
  ledger[j].adopted = (ledger[j].status == unknown); beside = (j == 1 -> BESIDE(published[j]) : APART); era = source_era;
  become_archived(j, published[j]); beside = 0; era = 0
}

proctype reconcile() {
  byte job, held, beside;
  bit era;
  mtype verdict = unknown;
end:
  do
  :: atomic { IS_FREE(0) && DIFFERS(0, 1) -> look_at_marks(0, 1) }; atomic { follow_marks() }
  :: atomic { IS_FREE(1) && DIFFERS(1, 0) -> look_at_marks(1, 0) }; atomic { follow_marks() }
  :: atomic { MAY_ADOPT(0) -> adopt(0) }
  :: atomic { MAY_ADOPT(1) -> adopt(1) }
  :: atomic { IS_FREE(0) && WAS_DROPPED(0, 1) -> mark_dropped(0) }
  :: atomic { IS_FREE(1) && WAS_DROPPED(1, 0) -> mark_dropped(1) }
  od
}

/* --- The lake's table: a function of marks and ledger, not a sum of what happened. --------------------------------------------------------------------- */
/* An archive that the ledger does not know stays while the source has its mark: the ledger was put back, and not the source. */
#define STAYS(s, l, j) (in_table[j] && !LIVES(s, l, j) && HAS_MARK(s, j, in_table[j]) && STANDS(s, j, in_table[j]))
#define BY_MARKS(s, l, j, o) (STANDS_IN(s, j) -> STANDS_IN(s, j) : \
  (LIVES(s, l, j) && !OVERTAKEN(s, l, j, o) -> l[j].manifest : (STAYS(s, l, j) -> in_table[j] : 0)))
#define BY_LEDGER(l, j) (IS_KNOWN(l, j) && l[j].status != superseded -> l[j].manifest : 0)
#define COUNTED(s, l, j, o) (TABLEMARK -> BY_MARKS(s, l, j, o) : BY_LEDGER(l, j))
#define IS_COMMITTED(s, l) (in_table[0] == COUNTED(s, l, 0, 1) && in_table[1] == COUNTED(s, l, 1, 0))
#define COMMIT(s, l) zeroth = COUNTED(s, l, 0, 1); in_table[1] = COUNTED(s, l, 1, 0); in_table[0] = zeroth; zeroth = 0

proctype committer() {
  byte zeroth;
end:
  do
  :: atomic { !IS_COMMITTED(source, ledger) -> COMMIT(source, ledger);
       printf("committer: the lake's table has manifests %d and %d\n", in_table[0], in_table[1]) }
  :: atomic { !OWNER && INSIDE && source_kept && !source_back && !IS_COMMITTED(kept_source, kept_ledger) -> COMMIT(kept_source, kept_ledger);
       printf("committer of a copy: the lake's table has manifests %d and %d\n", in_table[0], in_table[1]) }
  od
}

/* --- People. ------------------------------------------------------------------------------------------------------------------------------------------------ */
inline new_content() {
  contents++;
  source.owed = (source.stands -> source.owed & ~SET(source.content) : source.owed) | SET(contents);
  source.holds = (source.stands -> source.holds : 0) | SET(contents);
  source.past = source.past | SET(contents); source.content = contents
}

inline new_table() { tables++; source.table = tables; source.leaves = tables }

/* Whoever can write to the lake can read what it says of tables and marks. */
inline forge(j) {
  forgeries++;
  manifest[manifests].next = source.next; manifest[manifests].table = source.table; manifest[manifests].leaves = source.leaves;
  manifest[manifests].columns = source.columns; manifest[manifests].nonce = nonces; manifest[manifests].server = source.server;
  manifest[manifests].first = FORGED; manifest[manifests].second = FORGED; manifest[manifests].lies = 1;
  published[j] = manifests; manifests++; printf("people: a forged folder of job %d, manifest %d\n", j, published[j])
}

inline copy_marks(to, from, j) {
  to.read[j] = from.read[j]; to.compared[j] = from.compared[j]; to.compared_next[j] = from.compared_next[j];
  to.compared_table[j] = from.compared_table[j]; to.compared_leaves[j] = from.compared_leaves[j];
  to.compared_server[j] = from.compared_server[j]; to.marked[j] = from.marked[j]; to.by_others[j] = from.by_others[j];
  to.placed[j] = from.placed[j]
}

inline copy_source(to, from) {
  d_step {
    to.stands = from.stands; to.moved = from.moved; to.table = from.table; to.leaves = from.leaves; to.columns = from.columns;
    to.content = from.content; to.holds = from.holds; to.newest = from.newest; to.next = from.next; to.server = from.server;
    to.made_by = from.made_by; to.owed = from.owed; to.past = from.past;
    copy_marks(to, from, 0); copy_marks(to, from, 1)
  }
}

inline copy_job(to, from) {
  d_step {
    to.status = from.status; to.moved = from.moved; to.attempt = from.attempt; to.token = from.token; to.declared = from.declared;
    to.manifest = from.manifest; to.adopted = from.adopted; to.first = from.first; to.next = from.next; to.table = from.table; to.leaves = from.leaves;
    to.columns = from.columns; to.nonce = from.nonce; to.server = from.server
  }
}

proctype people() {
end:
  do
  :: atomic { writes < WRITES -> writes++;
       if
       :: source.stands -> new_content(); source.newest = source.next; printf("people: a write, content %d\n", contents)
       :: !source.stands -> new_content(); new_table(); source.stands = 1; source.moved = 0; source.made_by = 0; source.newest = source.next;
            printf("people: late rows, content %d in table %d\n", contents, tables)
       :: printf("people: a write to another table\n")
       fi;
       source.next++ }
  :: atomic { reshapes < RESHAPES && source.stands -> reshapes++;
       if
       :: new_content(); tables++; source.leaves = tables;          /* The leaf's rows were written long before. */
            printf("people: a leaf takes another's place, content %d\n", contents)
       :: source.columns++; printf("people: columns are swapped\n")
       :: new_table(); source.moved = 1; printf("people: the rows are moved to table %d\n", tables)
       :: source.owed = source.owed & ~SET(source.content); source.stands = 0; printf("people: the chunk is dropped\n")
       fi }
  :: atomic { SOURCEBACKS && !source_kept -> source_kept = 1; copy_source(kept_source, source);
       if :: INSIDE -> copy_job(kept_ledger[0], ledger[0]); copy_job(kept_ledger[1], ledger[1]) :: else fi;
       printf("people: a backup of the source\n") }
  :: atomic { source_kept && !source_back -> source_back = 1; source_era = 1; copy_source(source, kept_source);
       if
       :: INSIDE -> locked[0] = 0; locked[1] = 0; copy_job(ledger[0], kept_ledger[0]); copy_job(ledger[1], kept_ledger[1])
       :: else
       fi;
       if
       :: printf("people: the source is put back\n")
       :: source.server = 1; source.newest = 1; source.next = 2;    /* Rows and tables are numbered anew, by chance as before. */
            printf("people: a dump of the source is restored on another server\n");
            if :: skip :: new_table() fi
       fi }
  :: atomic { LEDGERBACKS && !INSIDE && !ledger_kept -> ledger_kept = 1;
       copy_job(kept_ledger[0], ledger[0]); copy_job(kept_ledger[1], ledger[1]); printf("people: a backup of the ledger\n") }
  :: atomic { ledger_kept && !ledger_back -> ledger_back = 1; locked[0] = 0; locked[1] = 0;
       copy_job(ledger[0], kept_ledger[0]); copy_job(ledger[1], kept_ledger[1]); printf("people: the ledger is put back\n") }
  :: atomic { forgeries < FORGERIES && !published[0] && manifests < MANIFESTS -> forge(0) }
  :: atomic { forgeries < FORGERIES && !published[1] && manifests < MANIFESTS -> forge(1) }
  :: atomic { FORGERIES && !cast_changes -> cast_changes = 1; printf("people: a cast that changes values\n") }
  :: atomic { ledger[0].status != queued && ledger[0].status != running && ASKS && ledger[1].status == unknown ->
       printf("people: look at the chunk\n"); ask_again() }
  od
}

/* --- Readers: every state is looked at. ------------------------------------------------------------------------------------------------------------------------ */
#define SHOWN(j)      (BYMARK -> STANDS_IN(source, j) : (ledger[j].status == removed -> ledger[j].manifest : 0))
#define SHOWS(j)      (SHOWN(j) -> SET(manifest[SHOWN(j)].first) : 0)
#define SHOWS_LIVE    (source.stands -> SET(source.content) : 0)
/* What people dropped was never tried: its archive is what is left. */
#define IS_BROKEN(j)  (SHOWN(j) && (manifest[SHOWN(j)].first != manifest[SHOWN(j)].second || \
  (manifest[SHOWN(j)].spoiled && !source.by_others[j])))
#define NOT_AS_OWED   ((SHOWS_LIVE | SHOWS(0) | SHOWS(1)) != source.owed || \
  (SHOWS_LIVE & SHOWS(0)) || (SHOWS_LIVE & SHOWS(1)) || (SHOWS(0) & SHOWS(1)) || IS_BROKEN(0) || IS_BROKEN(1))

#define IS_AT_REST    (IS_FREE(0) && IS_FREE(1) && !DIFFERS(0, 1) && !DIFFERS(1, 0) && !MAY_ADOPT(0) && !MAY_ADOPT(1) && \
  !WAS_DROPPED(0, 1) && !WAS_DROPPED(1, 0))
#define ANOTHER_STORY(j) ((ledger[j].status == removed) != (STANDS_IN(source, j) != 0) || \
  (STANDS_IN(source, j) && ledger[j].manifest != STANDS_IN(source, j)) || \
  (source.stands && source.made_by == j + 1 && ledger[j].status != restored && ledger[j].status != superseded))
#define NOT_IN_LAKE(j) ((STANDS_IN(source, j) && in_table[j] != STANDS_IN(source, j)) || \
  (in_table[j] && !STANDS_IN(source, j) && !STANDS(source, j, in_table[j])))

proctype readers() {
end:
  do
  :: atomic { NOT_AS_OWED -> assert(never_doubled) }
  :: atomic { (INSIDE || IS_AT_REST) && (ANOTHER_STORY(0) || ANOTHER_STORY(1)) -> assert(one_story) }
  :: atomic { TABLES && IS_AT_REST && IS_COMMITTED(source, ledger) && (NOT_IN_LAKE(0) || NOT_IN_LAKE(1)) -> assert(in_the_lake) }
  od
}

init {
  atomic {
    source.stands = 1; source.table = 1; source.leaves = 1; source.content = 1; source.holds = SET(1); source.newest = 1; source.next = 2;
    source.owed = SET(1); source.past = SET(1); tables = 1; contents = 1;
    ledger[0].status = queued; ledger[1].status = unknown; kept_ledger[0].status = unknown; kept_ledger[1].status = unknown;
    run people(); run readers(); run reconcile(); run archiver(0); run archiver(1);
    if :: TABLES -> run committer() :: else fi;
    if :: REMOVERS > 0 -> run remover(0) :: else fi;
    if :: REMOVERS > 1 -> run remover(1) :: else fi;
    if :: RESTORERS > 0 -> run restorer(0) :: else fi;
    if :: RESTORERS > 1 -> run restorer(1) :: else fi
  }
}
